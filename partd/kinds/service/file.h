// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// Files of units that partd writes (systemd.unit(5), systemd.syntax(7)).

// The place in which a service runs, and its origin.
struct UnitPlace {
    std::string service;           // "web/nginx"
    std::string file;              // that declares it
    std::string group;             // "partd.slice/partd-web.slice"
    std::string netns;             // path of its network namespace; "" for the host's
    std::vector<std::string> etc;  // paths that stand in for those of the same name in /etc
};

// The command of a unit that partd writes.
struct UnitCommand {
    std::string description;
    std::vector<std::string> command;
    std::string environment_file;  // "": none
    std::string restart;           // "on-failure"
    std::string user;              // "": root
    bool relayed = false;          // by a process that passes signals on
};

// Text that systemd reads as this one word, whatever is in it but control characters, which no file of
// configuration can have: quoted, with '%', '"' and '\' escaped.
std::string quoted_word(std::string_view text);

// The file that makes an existing unit run there.
std::string drop_in(const UnitPlace& place);
// The file that keeps it from starting anywhere else, before partd has made the partition or when it makes
// none: it outlives a reboot. Without a slice: systemd would make that before partd does.
std::string hold(const UnitPlace& place);
// A unit of its own.
std::string unit_file(const UnitPlace& place, const UnitCommand& command);

// The service that a file was written for, from its first line; nullopt for a file of somebody else's.
std::optional<std::string> service_of(std::string_view text);
// The file of configuration that its first line names.
std::string declared_in(std::string_view text);
// Its lines without the first, by which alone it differs when the declaration moves to another file.
std::string_view below_mark(std::string_view text);
// "/run/partd/environment/web.app", of service "web/app": the variables of a command.
std::string environment_path(std::string_view state, std::string_view service);
// "nginx.service.d/50-partd-web.conf".
std::string drop_in_name(std::string_view unit, std::string_view partition);
// "nginx.service.d/49-partd-web.conf".
std::string hold_name(std::string_view unit, std::string_view partition);
// "partd-web-app.service".
std::string own_unit_name(std::string_view partition, std::string_view name);

}  // namespace partd
