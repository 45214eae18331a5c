#include "kernel/systemd.h"

#include <cerrno>

#include <fmt/format.h>
#include <systemd/sd-bus.h>

namespace partd::kernel {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Of one job: longer than a service has to stop (TimeoutStopSec, 90 s).
constexpr std::chrono::seconds kJobPatience{100};

}  // namespace

// The job's result; "" when it ended while nobody listened.
Result<std::string> Systemd::wait(const std::string& unit, const std::string& job) {
    const auto end = Clock::now() + kJobPatience;
    auto ask = Clock::now() + std::chrono::seconds(1);
    while (Clock::now() < end) {
        if (const auto found = ended_.find(job); found != ended_.end()) {
            std::string result = found->second;
            ended_.erase(found);
            return result;
        }
        if (auto heard = process(milliseconds(200)); !heard) {
            PARTD_TRY(open());
            ask = Clock::now();
        }
        if (Clock::now() >= ask) {
            if (const auto waiting = has_job(unit); waiting && !*waiting && !ended_.contains(job)) {
                return std::string();
            }
            ask = Clock::now() + std::chrono::seconds(1);
        }
    }
    return fail(ETIMEDOUT, fmt::format("systemd is still at it with {} (systemctl list-jobs)", unit));
}

Result<> Systemd::run_job(const char* method, const std::string& unit, const Append& append) {
    ended_.clear();
    auto reply = call(method, append);
    if (!reply) {
        return std::unexpected(std::move(reply).error().wrap(unit));
    }
    const char* job = nullptr;
    if (const int result = sd_bus_message_read(reply->get(), "o", &job); result < 0) {
        return fail(-result, fmt::format("systemd, {} of {}", method, unit));
    }
    auto result = wait(unit, job);
    PARTD_TRY(result);
    if (!result->empty() && *result != "done" && *result != "skipped") {
        return fail(
            fmt::format("systemd, {} of {}: the job ended as \"{}\": see systemctl status {} and "
                        "journalctl -u {}",
                        method, unit, *result, unit, unit));
    }
    return {};
}

Result<> Systemd::start_transient(const std::string& unit, const UnitProperties& properties) {
    return run_job("StartTransientUnit", unit, [&](sd_bus_message* message) {
        int result = sd_bus_message_append(message, "ss", unit.c_str(), "replace");
        if (result >= 0) {
            result = append_properties(message, properties);
        }
        return result < 0 ? result : sd_bus_message_append(message, "a(sa(sv))", 0);
    });
}

Result<> Systemd::start_scope(const std::string& unit, UnitProperties properties) {
    // 0 is who calls, as the socket tells: in a pid namespace of its own it does not know its number here.
    properties.push_back({"PIDs", std::vector<std::uint32_t>{0}});
    return start_transient(unit, properties);
}

namespace {

auto job_arguments(const std::string& unit) {
    return [&unit](sd_bus_message* message) {
        return sd_bus_message_append(message, "ss", unit.c_str(), "replace");
    };
}

Result<> absent_is_success(Result<> result) {
    return !result && result.error().code == ENOENT ? Result<>() : std::move(result);
}

}  // namespace

Result<> Systemd::start(const std::string& unit) {
    return run_job("StartUnit", unit, job_arguments(unit));
}

Result<> Systemd::stop(const std::string& unit) {
    return absent_is_success(run_job("StopUnit", unit, job_arguments(unit)));
}

Result<> Systemd::try_restart(const std::string& unit) {
    return run_job("TryRestartUnit", unit, job_arguments(unit));
}

Result<> Systemd::reload() {
    PARTD_TRY(call("Reload", {}));
    return {};
}

Result<> Systemd::reset_failed(const std::string& unit) {
    auto reset = call("ResetFailedUnit", [&](sd_bus_message* message) {
        return sd_bus_message_append(message, "s", unit.c_str());
    });
    return absent_is_success(reset ? Result<>() : std::unexpected(std::move(reset).error()));
}

Result<> Systemd::set_properties(const std::string& unit, const UnitProperties& properties) {
    PARTD_TRY(call("SetUnitProperties", [&](sd_bus_message* message) {
        const int result = sd_bus_message_append(message, "sb", unit.c_str(), 1);
        return result < 0 ? result : append_properties(message, properties);
    }));
    return {};
}

}  // namespace partd::kernel
