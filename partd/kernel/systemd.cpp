#include "kernel/systemd.h"

#include "kernel/files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <systemd/sd-bus.h>

namespace partd::kernel {

namespace {

using std::chrono::milliseconds;

constexpr char kService[] = "org.freedesktop.systemd1";
constexpr char kObject[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
constexpr char kUnit[] = "org.freedesktop.systemd1.Unit";

// Of one call; a daemon-reload of a big host takes seconds.
constexpr std::chrono::seconds kCallPatience{25};
// While systemd starts itself anew nobody listens.
constexpr int kConnectAttempts = 100;
constexpr useconds_t kConnectPause = 50'000;

// A text that sd-bus allocated.
std::string taken(char* text) {
    const std::unique_ptr<char, void (*)(void*)> owned(text, std::free);
    return owned == nullptr ? std::string() : std::string(owned.get());
}

std::string object_of(const std::string& unit) {
    char* path = nullptr;
    sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.c_str(), &path);
    return taken(path);
}

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

// An error that is freed.
struct BusError {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    BusError() = default;
    ~BusError() { sd_bus_error_free(&error); }
    BusError(const BusError&) = delete;
    BusError& operator=(const BusError&) = delete;
};

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
    int result = sd_bus_message_new_method_call(bus_, &raw, kService, kObject, kManager, method);
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
    sd_bus_get_property_string(bus_, kService, kObject, kManager, "SystemState", &error.error, &value);
    return taken(value);
}

std::optional<std::string> Systemd::text(const std::string& unit, const char* interface, const char* name) {
    BusError error;
    char* value = nullptr;
    if (sd_bus_get_property_string(bus_, kService, object_of(unit).c_str(), interface, name, &error.error,
                                   &value) < 0) {
        return std::nullopt;
    }
    return taken(value);
}

Result<bool> Systemd::has_job(const std::string& unit) {
    BusError error;
    sd_bus_message* raw = nullptr;
    const int result = sd_bus_get_property(bus_, kService, object_of(unit).c_str(), kUnit, "Job",
                                           &error.error, &raw, "(uo)");
    const Message reply(raw, sd_bus_message_unref);
    if (result < 0) {
        return fail_call("look for its job", error.error, -result);
    }
    std::uint32_t number = 0;
    const char* path = nullptr;
    sd_bus_message_read(reply.get(), "(uo)", &number, &path);
    return number != 0;
}

Result<Systemd::Unit> Systemd::look(const std::string& unit) {
    // Loads it, so that a unit that nobody uses can be told of as well.
    auto loaded = call("LoadUnit", [&](sd_bus_message* message) {
        return sd_bus_message_append(message, "s", unit.c_str());
    });
    PARTD_TRY(loaded);
    Unit found;
    found.load_state = text(unit, kUnit, "LoadState").value_or("");
    found.active_state = text(unit, kUnit, "ActiveState").value_or("");
    found.description = text(unit, kUnit, "Description").value_or("");
    const std::string object = object_of(unit);
    BusError error;
    int reload = 0;
    sd_bus_get_property_trivial(bus_, kService, object.c_str(), kUnit, "NeedDaemonReload", &error.error, 'b',
                                &reload);
    found.needs_reload = reload != 0;
    found.has_job = has_job(unit).value_or(false);
    BusError third;
    char** paths = nullptr;
    if (sd_bus_get_property_strv(bus_, kService, object.c_str(), kUnit, "DropInPaths", &third.error,
                                 &paths) >= 0) {
        for (char** path = paths; path != nullptr && *path != nullptr; ++path) {
            found.drop_ins.push_back(taken(*path));
        }
        const std::unique_ptr<char*, void (*)(void*)> owned(paths, std::free);
    }
    if (unit.ends_with(".service")) {
        constexpr char kInterface[] = "org.freedesktop.systemd1.Service";
        std::uint32_t pid = 0;
        BusError second;
        sd_bus_get_property_trivial(bus_, kService, object.c_str(), kInterface, "MainPID", &second.error, 'u',
                                    &pid);
        found.main_pid = static_cast<pid_t>(pid);
        const std::string group = text(unit, kInterface, "ControlGroup").value_or("");
        found.group = group.empty() ? group : group.substr(1);
    }
    return found;
}

}  // namespace partd::kernel
