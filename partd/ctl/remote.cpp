// SPDX-License-Identifier: Apache-2.0
#include "ctl/remote.h"

#include "bus/names.h"
#include "kernel/file/files.h"
#include "kernel/file/own_files.h"

#include <cerrno>
#include <string>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

using std::chrono::milliseconds;

// An apply of thousands of partitions, with processes that end slowly, takes its time.
constexpr std::uint64_t kPatience = 15ULL * 60 * 1'000'000;

std::unexpected<Error> fail_bus(int result, std::string_view context) {
    return fail(-result, context);
}

// The connection stands when the first bytes were exchanged, not when it was begun.
bool becomes_ready(sd_bus* bus, std::chrono::microseconds patience) {
    using std::chrono::steady_clock;
    const auto end = steady_clock::now() + patience;
    while (sd_bus_is_ready(bus) == 0) {
        int result = sd_bus_process(bus, nullptr);
        const auto left = std::chrono::duration_cast<std::chrono::microseconds>(end - steady_clock::now());
        if (result == 0 && left.count() > 0) {
            result = sd_bus_wait(bus, static_cast<std::uint64_t>(left.count()));
        } else if (result == 0) {
            return false;
        }
        if (result < 0 && result != -EINTR) {
            return false;
        }
    }
    return sd_bus_is_ready(bus) > 0;
}

sd_bus* open_socket(const std::string& path, milliseconds patience) {
    sd_bus* bus = nullptr;
    const std::string address = "unix:path=" + path;
    const bool begun = kernel::exists(path) && sd_bus_new(&bus) >= 0 &&
                       sd_bus_set_address(bus, address.c_str()) >= 0 && sd_bus_start(bus) >= 0;
    if (begun && becomes_ready(bus, patience)) {
        return bus;
    }
    sd_bus_close_unref(bus);
    return nullptr;
}

// A daemon that does not run is not started: that would change the host, for a verb that only looks.
bool has_owner(sd_bus* bus) {
    sd_bus_message* reply = nullptr;
    int owned = 0;
    if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "NameHasOwner", nullptr, &reply, "s", bus::kService) >= 0) {
        (void)sd_bus_message_read_basic(reply, 'b', &owned);
    }
    sd_bus_message_unref(reply);
    return owned != 0;
}

sd_bus* open_system_bus() {
    sd_bus* bus = nullptr;
    if (sd_bus_open_system(&bus) < 0) {
        return nullptr;
    }
    sd_bus_set_allow_interactive_authorization(bus, 1);
    if (has_owner(bus)) {
        return bus;
    }
    sd_bus_close_unref(bus);
    return nullptr;
}

int keep_reply(sd_bus_message* message, void* data, sd_bus_error*) {
    *static_cast<sd_bus_message**>(data) = sd_bus_message_ref(message);
    return 0;
}

// Until the reply is there; says so when that takes its time.
int wait_for(sd_bus* bus, sd_bus_message* const& reply) {
    constexpr std::uint64_t kLong = 3'000'000;
    bool told = false;
    while (reply == nullptr) {
        int result = sd_bus_process(bus, nullptr);
        if (result == 0) {
            result = sd_bus_wait(bus, told ? kPatience : kLong);
            if (result == 0 && !told) {
                complain("partd is busy: waiting for it (partctl --no-daemon does without)");
                told = true;
            }
        }
        if (result < 0 && result != -EINTR) {
            return result;
        }
    }
    return 0;
}

}  // namespace

std::unique_ptr<Remote> Remote::connect(const Options& options, std::optional<milliseconds> patience) {
    constexpr std::chrono::minutes kLong{15};
    if (options.own_process) {
        return nullptr;
    }
    if (sd_bus* own = open_socket(options.paths().bus(), patience.value_or(kLong))) {
        return std::unique_ptr<Remote>(new Remote(own, true));
    }
    sd_bus* system = options.root.empty() && !patience ? open_system_bus() : nullptr;
    return system == nullptr ? nullptr : std::unique_ptr<Remote>(new Remote(system, false));
}

bool Remote::runs(const kernel::Paths& paths) {
    return kernel::is_locked(paths.state() + "/daemon");
}

Remote::~Remote() {
    sd_bus_flush_close_unref(bus_);
}

Result<Answer> Remote::ask(const Verb& verb, const Request& request) {
    sd_bus_message* call = nullptr;
    sd_bus_message* reply = nullptr;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int result = sd_bus_message_new_method_call(bus_, &call, own_socket_ ? nullptr : bus::kService,
                                                bus::kPath, bus::kInterface, verb.method);
    result = result < 0 ? result : bus::append(call, request);
    result = result < 0
                 ? result
                 : sd_bus_call_async(bus_, nullptr, call, keep_reply, static_cast<void*>(&reply), kPatience);
    result = result < 0 ? result : wait_for(bus_, reply);
    Result<Answer> answer = result < 0 ? fail_bus(result, "ask partd") : Result<Answer>(Answer());
    if (result >= 0 && sd_bus_message_is_method_error(reply, nullptr) > 0) {
        result = -sd_bus_message_get_errno(reply);
        sd_bus_error_copy(&error, sd_bus_message_get_error(reply));
        answer = fail_bus(result, "ask partd");
    } else if (result >= 0) {
        answer = bus::read_answer(reply);
    }
    if (result < 0 && error.message != nullptr) {
        const bool refused = sd_bus_error_has_name(&error, bus::kNotPermitted) != 0;
        answer = std::unexpected(
            Error{.code = refused ? EACCES : -result, .message = fmt::format("partd: {}", error.message)});
    }
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    sd_bus_message_unref(call);
    return answer;
}

Result<> Remote::subscribe() {
    if (!own_socket_) {
        return fail("events are told to root and group partd alone");
    }
    // partd sends nothing to a connection that has never asked for anything.
    const int greeted = sd_bus_call_method(bus_, nullptr, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                           "AddMatch", nullptr, nullptr, "s", "type='signal'");
    if (greeted < 0) {
        return fail_bus(greeted, "listen to partd");
    }
    const auto hear = [](sd_bus_message* message, void* data, sd_bus_error*) {
        if (auto event = bus::read_event(message)) {
            *static_cast<std::optional<bus::Event>*>(data) = std::move(*event);
        }
        return 0;
    };
    const int result = sd_bus_match_signal(bus_, nullptr, own_socket_ ? nullptr : bus::kService, bus::kPath,
                                           bus::kInterface, "Event", hear, &heard_);
    return result < 0 ? fail_bus(result, "listen to partd") : Result<>();
}

Result<std::optional<bus::Event>> Remote::next_event(milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    heard_.reset();
    while (!heard_) {
        int result = sd_bus_process(bus_, nullptr);
        const auto left =
            std::chrono::duration_cast<std::chrono::microseconds>(end - std::chrono::steady_clock::now());
        if (result == 0 && !heard_) {
            if (left.count() <= 0) {
                return std::nullopt;
            }
            result = sd_bus_wait(bus_, static_cast<std::uint64_t>(left.count()));
        }
        if (result < 0 && result != -EINTR) {
            return result == -ECONNRESET ? fail("partd has ended: there is nothing to listen to")
                                         : fail_bus(result, "listen to partd");
        }
    }
    return std::exchange(heard_, std::nullopt);
}

}  // namespace partd::ctl
