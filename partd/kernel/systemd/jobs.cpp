// SPDX-License-Identifier: Apache-2.0
#include "kernel/systemd/bus.h"
#include "kernel/systemd/systemd.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <systemd/sd-bus.h>

namespace partd::kernel {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Of the job of a slice or scope: longer than the services in it have to stop (TimeoutStopSec, 90 s).
constexpr std::chrono::seconds kPatience{100};
// Of the job of a service.
constexpr std::chrono::seconds kServicePatience{10};

}  // namespace

// The job's result; "" when it ended while nobody listened; ETIMEDOUT when it goes on.
Result<std::string> Systemd::wait(const std::string& unit, const std::string& job, milliseconds patience) {
    const auto end = Clock::now() + patience;
    auto ask = Clock::now() + std::chrono::seconds(1);
    while (true) {
        if (const auto found = ended_.find(job); found != ended_.end()) {
            std::string result = found->second;
            ended_.erase(found);
            return result;
        }
        if (Clock::now() >= end) {
            return fail(ETIMEDOUT, fmt::format("systemd is still at it with {} (systemctl list-jobs)", unit));
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
}

Result<Systemd::Job> Systemd::run_job(const char* method, const std::string& unit, const Append& append,
                                      milliseconds patience) {
    ended_.clear();
    auto reply = call(method, append);
    if (!reply) {
        return std::unexpected(std::move(reply).error().wrap(unit));
    }
    const char* job = nullptr;
    if (const int result = sd_bus_message_read(reply->get(), "o", &job); result < 0) {
        return fail(-result, fmt::format("systemd, {} of {}", method, unit));
    }
    auto result = wait(unit, job, patience);
    if (!result && result.error().code == ETIMEDOUT) {
        return Job::Running;
    }
    PARTD_TRY(result);
    if (!result->empty() && *result != "done" && *result != "skipped") {
        return std::unexpected(Error{
            .code = ECANCELED,
            .message = fmt::format("systemd, {} of {}: the job ended as \"{}\": see systemctl status {} "
                                   "and journalctl -u {}",
                                   method, unit, *result, unit, unit)});
    }
    return Job::Done;
}

namespace {

Result<> finished(const Result<Systemd::Job>& job, const std::string& unit) {
    PARTD_TRY(job);
    return *job == Systemd::Job::Done
               ? Result<>()
               : fail(ETIMEDOUT, fmt::format("systemd is still at it with {} (systemctl list-jobs)", unit));
}

}  // namespace

Result<> Systemd::start_transient(const std::string& unit, const UnitProperties& properties) {
    const auto append = [&](sd_bus_message* message) {
        int result = sd_bus_message_append(message, "ss", unit.c_str(), "replace");
        if (result >= 0) {
            result = append_properties(message, properties);
        }
        return result < 0 ? result : sd_bus_message_append(message, "a(sa(sv))", 0);
    };
    return finished(run_job("StartTransientUnit", unit, append, kPatience), unit);
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
    return finished(run_job("StartUnit", unit, job_arguments(unit), kPatience), unit);
}

Result<> Systemd::stop(const std::string& unit) {
    return absent_is_success(finished(run_job("StopUnit", unit, job_arguments(unit), kPatience), unit));
}

Result<Systemd::Job> Systemd::run_service_job(const char* method, const std::string& unit) {
    constexpr char kPartd[] = "partd.service";
    const std::string now = state();
    const bool coming_up = now == "initializing" || now == "starting";
    // A joined unit starts after partd has: while that is on its way, it waits for us.
    const auto waits = [&] {
        const auto before = list(unit, kUnitInterface, "After");
        return std::ranges::find(before, kPartd) != before.end() && has_job(kPartd).value_or(false);
    };
    const milliseconds patience = coming_up || waits() ? milliseconds(0) : milliseconds(kServicePatience);
    return run_job(method, unit, job_arguments(unit), patience);
}

Result<Systemd::Job> Systemd::restart_service(const std::string& unit) {
    return run_service_job("RestartUnit", unit);
}

Result<Systemd::Job> Systemd::try_restart_service(const std::string& unit) {
    return run_service_job("TryRestartUnit", unit);
}

Result<Systemd::Job> Systemd::stop_service(const std::string& unit) {
    auto stopped = run_service_job("StopUnit", unit);
    return !stopped && stopped.error().code == ENOENT ? Job::Done : std::move(stopped);
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
