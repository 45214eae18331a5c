// SPDX-License-Identifier: Apache-2.0
#include "kernel/systemd/systemd.h"

#include "kernel/file/files.h"
#include "kernel/systemd/bus.h"

#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>
#include <systemd/sd-bus.h>

namespace partd::kernel {

namespace {

using std::chrono::milliseconds;

constexpr char kObject[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";

// Of one call; a daemon-reload of a big host takes seconds.
constexpr std::chrono::seconds kCallPatience{25};
// While systemd starts itself anew nobody listens.
constexpr int kConnectAttempts = 100;
constexpr useconds_t kConnectPause = 50'000;

bool is_dead(int code) {
    return code == ECONNRESET || code == ENOTCONN || code == EPIPE || code == ESHUTDOWN || code == EBADF;
}

std::unexpected<Error> fail_call(const char* method, const sd_bus_error& error, int code) {
    const std::string_view name = error.name == nullptr ? "" : error.name;
    if (name == "org.freedesktop.systemd1.NoSuchUnit") {
        code = ENOENT;
    } else if (name == "org.freedesktop.systemd1.UnitExists") {
        code = EEXIST;
    }
    const std::string words = error.message == nullptr ? errno_text(code) : error.message;
    return std::unexpected(Error{.code = code, .message = fmt::format("systemd, {}: {}", method, words)});
}

}  // namespace

bool Systemd::runs() const {
    return exists(root_ + "/run/systemd/system") && exists(root_ + "/run/systemd/private");
}

void Systemd::close() {
    if (bus_ != nullptr) {
        sd_bus_close_unref(bus_);
        bus_ = nullptr;
    }
    ended_.clear();
}

void Systemd::note_job(sd_bus_message* message) {
    std::uint32_t number = 0;
    const char* job = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (sd_bus_message_read(message, "uoss", &number, &job, &unit, &result) >= 0) {
        ended_[job] = result;
    }
}

Result<> Systemd::open() {
    const std::string socket = root_ + "/run/systemd/private";
    int result = 0;
    for (int attempt = 0; attempt < kConnectAttempts; ++attempt) {
        close();
        result = sd_bus_new(&bus_);
        if (result >= 0) {
            result = sd_bus_set_address(bus_, ("unix:path=" + socket).c_str());
        }
        if (result >= 0) {
            result = sd_bus_set_method_call_timeout(
                bus_, std::chrono::duration_cast<std::chrono::microseconds>(kCallPatience).count());
        }
        if (result >= 0) {
            result = sd_bus_start(bus_);
        }
        if (result != -ECONNREFUSED && result != -ENOENT) {
            break;
        }
        usleep(kConnectPause);
    }
    if (result >= 0) {
        const auto handler = [](sd_bus_message* message, void* self, sd_bus_error*) {
            static_cast<Systemd*>(self)->note_job(message);
            return 0;
        };
        result = sd_bus_match_signal(bus_, nullptr, nullptr, kObject, kManager, "JobRemoved", handler, this);
    }
    if (result < 0) {
        close();
        return fail(-result, "talk to systemd at " + socket);
    }
    return {};
}

Result<Systemd::Message> Systemd::call_once(const char* method, const Append& append) {
    if (bus_ == nullptr) {
        PARTD_TRY(open());
    }
    sd_bus_message* raw = nullptr;
    int result = sd_bus_message_new_method_call(bus_, &raw, kSystemdService, kObject, kManager, method);
    const Message message(raw, sd_bus_message_unref);
    if (result >= 0 && append) {
        result = append(message.get());
    }
    BusError error;
    sd_bus_message* reply = nullptr;
    if (result >= 0) {
        result = sd_bus_call(bus_, message.get(), 0, &error.error, &reply);
    }
    if (result < 0) {
        return fail_call(method, error.error, -result);
    }
    return Message(reply, sd_bus_message_unref);
}

Result<Systemd::Message> Systemd::call(const char* method, const Append& append) {
    auto reply = call_once(method, append);
    if (!reply && is_dead(reply.error().code)) {
        close();
        return call_once(method, append);
    }
    return reply;
}

Result<> Systemd::process(milliseconds longest) {
    int result = sd_bus_process(bus_, nullptr);
    if (result == 0) {
        result =
            sd_bus_wait(bus_, static_cast<std::uint64_t>(
                                  std::chrono::duration_cast<std::chrono::microseconds>(longest).count()));
    }
    return result < 0 && result != -EINTR ? Result<>(fail(-result, "wait for systemd")) : Result<>();
}

std::string Systemd::state() {
    if (bus_ == nullptr && !open()) {
        return {};
    }
    BusError error;
    char* value = nullptr;
    sd_bus_get_property_string(bus_, kSystemdService, kObject, kManager, "SystemState", &error.error, &value);
    return taken(value);
}

std::optional<std::string> Systemd::text(const std::string& unit, const char* interface, const char* name) {
    BusError error;
    char* value = nullptr;
    if (sd_bus_get_property_string(bus_, kSystemdService, object_of(unit).c_str(), interface, name,
                                   &error.error, &value) < 0) {
        return std::nullopt;
    }
    return taken(value);
}

Result<bool> Systemd::has_job(const std::string& unit) {
    BusError error;
    sd_bus_message* raw = nullptr;
    const int result = sd_bus_get_property(bus_, kSystemdService, object_of(unit).c_str(), kUnitInterface,
                                           "Job", &error.error, &raw, "(uo)");
    const Message reply(raw, sd_bus_message_unref);
    if (result < 0) {
        return fail_call("look for its job", error.error, -result);
    }
    std::uint32_t number = 0;
    const char* path = nullptr;
    sd_bus_message_read(reply.get(), "(uo)", &number, &path);
    return number != 0;
}

}  // namespace partd::kernel
