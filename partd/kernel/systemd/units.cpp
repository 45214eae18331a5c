// SPDX-License-Identifier: Apache-2.0
#include "kernel/systemd/bus.h"
#include "kernel/systemd/systemd.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

// Units as systemd shows them.
namespace partd::kernel {

namespace {

constexpr char kServiceInterface[] = "org.freedesktop.systemd1.Service";
constexpr char kSocketInterface[] = "org.freedesktop.systemd1.Socket";

// EXIT_NETWORK (systemd.exec(5), "Process Exit Codes"): the network namespace could not be entered.
constexpr std::int32_t kExitNetwork = 225;

// The value of a property, read by `read`; an unknown one is not read.
template <class Read>
void read_property(sd_bus* bus, const std::string& unit, const char* interface, const char* name,
                   const char* type, Read read) {
    BusError error;
    sd_bus_message* raw = nullptr;
    const int result = sd_bus_get_property(bus, kSystemdService, object_of(unit).c_str(), interface, name,
                                           &error.error, &raw, type);
    const std::unique_ptr<sd_bus_message, sd_bus_message* (*)(sd_bus_message*)> reply(raw,
                                                                                      sd_bus_message_unref);
    if (result >= 0) {
        read(reply.get());
    }
}

// True if one of these commands ended with that status when it last ran.
bool ended_with(sd_bus* bus, const std::string& unit, const char* commands, std::int32_t wanted) {
    bool found = false;
    read_property(bus, unit, kServiceInterface, commands, "a(sasbttttuii)", [&](sd_bus_message* message) {
        int more = sd_bus_message_enter_container(message, 'a', "(sasbttttuii)");
        while (more > 0 && (more = sd_bus_message_enter_container(message, 'r', "sasbttttuii")) > 0) {
            std::int32_t code = 0;
            std::int32_t status = 0;
            more = sd_bus_message_skip(message, "sasbttttu");
            more = more < 0 ? more : sd_bus_message_read(message, "ii", &code, &status);
            more = more < 0 ? more : sd_bus_message_exit_container(message);
            found |= more >= 0 && status == wanted;
            more = more < 0 ? more : 1;
        }
    });
    return found;
}

}  // namespace

Result<Systemd::Unit> Systemd::look(const std::string& unit) {
    // Loads it, so that a unit that nobody uses can be told of as well.
    auto loaded = call("LoadUnit", [&](sd_bus_message* message) {
        return sd_bus_message_append(message, "s", unit.c_str());
    });
    PARTD_TRY(loaded);
    Unit found;
    found.load_state = text(unit, kUnitInterface, "LoadState").value_or("");
    found.active_state = text(unit, kUnitInterface, "ActiveState").value_or("");
    found.description = text(unit, kUnitInterface, "Description").value_or("");
    const std::string object = object_of(unit);
    BusError error;
    int reload = 0;
    sd_bus_get_property_trivial(bus_, kSystemdService, object.c_str(), kUnitInterface, "NeedDaemonReload",
                                &error.error, 'b', &reload);
    found.needs_reload = reload != 0;
    found.has_job = has_job(unit).value_or(false);
    found.drop_ins = list(unit, kUnitInterface, "DropInPaths");
    if (unit.ends_with(".service")) {
        std::uint32_t pid = 0;
        BusError second;
        sd_bus_get_property_trivial(bus_, kSystemdService, object.c_str(), kServiceInterface, "MainPID",
                                    &second.error, 'u', &pid);
        found.main_pid = static_cast<pid_t>(pid);
        const std::string group = text(unit, kServiceInterface, "ControlGroup").value_or("");
        found.group = group.empty() ? group : group.substr(1);
        found.held_back = was_held_back(unit, found.active_state);
    }
    return found;
}

std::vector<std::string> Systemd::list(const std::string& unit, const char* interface, const char* name) {
    BusError error;
    char** words = nullptr;
    std::vector<std::string> found;
    if (sd_bus_get_property_strv(bus_, kSystemdService, object_of(unit).c_str(), interface, name,
                                 &error.error, &words) >= 0) {
        for (char** word = words; word != nullptr && *word != nullptr; ++word) {
            found.push_back(taken(*word));
        }
        const std::unique_ptr<char*, void (*)(void*)> owned(words, std::free);
    }
    return found;
}

bool Systemd::was_held_back(const std::string& unit, const std::string& active_state) {
    if (active_state == "failed") {
        std::int32_t status = 0;
        BusError error;
        sd_bus_get_property_trivial(bus_, kSystemdService, object_of(unit).c_str(), kServiceInterface,
                                    "ExecMainStatus", &error.error, 'i', &status);
        return status == kExitNetwork || ended_with(bus_, unit, "ExecCondition", kExitNetwork) ||
               ended_with(bus_, unit, "ExecStartPre", kExitNetwork);
    }
    int asserted = 1;
    std::uint64_t when = 0;
    if (active_state == "inactive") {
        BusError error;
        sd_bus_get_property_trivial(bus_, kSystemdService, object_of(unit).c_str(), kUnitInterface,
                                    "AssertResult", &error.error, 'b', &asserted);
        BusError second;
        sd_bus_get_property_trivial(bus_, kSystemdService, object_of(unit).c_str(), kUnitInterface,
                                    "AssertTimestamp", &second.error, 't', &when);
    }
    return asserted == 0 && when != 0;  // never looked at: no
}

std::vector<std::string> Systemd::listeners_of(const std::string& unit) {
    std::vector<std::string> found;
    for (const std::string& socket : list(unit, kUnitInterface, "TriggeredBy")) {
        const bool active = text(socket, kUnitInterface, "ActiveState").value_or("") == "active";
        const bool enabled =
            text(socket, kUnitInterface, "UnitFileState").value_or("").starts_with("enabled");
        if (!socket.ends_with(".socket") || (!active && !enabled)) {
            continue;
        }
        read_property(bus_, socket, kSocketInterface, "Listen", "a(ss)", [&](sd_bus_message* message) {
            const char* type = nullptr;
            const char* address = nullptr;
            int more = sd_bus_message_enter_container(message, 'a', "(ss)");
            while (more > 0 && (more = sd_bus_message_read(message, "(ss)", &type, &address)) > 0) {
                if (*address != '/') {
                    found.push_back(fmt::format("{} ({} {})", socket, type, address));
                }
            }
        });
    }
    return found;
}

bool Systemd::is_ordered_before(const std::string& first, const std::string& second) {
    std::set<std::string> seen = {second};
    std::vector<std::string> open = {second};
    while (!open.empty()) {
        const std::string unit = std::move(open.back());
        open.pop_back();
        for (std::string& before : list(unit, kUnitInterface, "After")) {
            if (seen.insert(before).second) {
                open.push_back(std::move(before));
            }
        }
    }
    // systemd forgets a unit that nobody uses, and with it what others' lists say of it; its own list does
    // not.
    const auto orders = list(first, kUnitInterface, "Before");
    return seen.contains(first) ||
           std::ranges::any_of(orders, [&](const std::string& after) { return seen.contains(after); });
}

}  // namespace partd::kernel
