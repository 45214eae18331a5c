// SPDX-License-Identifier: Apache-2.0
#include "kinds/service/file.h"

#include "base/names.h"
#include "base/text.h"

#include <fmt/format.h>

namespace partd {

namespace {

constexpr std::string_view kMark = "# Made by partd for service ";
constexpr std::string_view kDeclared = ", declared in ";
constexpr std::string_view kMarkEnd = "; changes are put back.";

std::string mark_line(const UnitPlace& place) {
    return fmt::format("{}{}{}{}{}\n", kMark, place.service, kDeclared, printable(place.file), kMarkEnd);
}

std::string place_lines(const UnitPlace& place) {
    std::string text = fmt::format("Slice={}\n", place.group.substr(place.group.rfind('/') + 1));
    if (!place.netns.empty()) {
        text += fmt::format("NetworkNamespacePath={}\n", place.netns);
    }
    for (const std::string& path : place.etc) {
        text += fmt::format("BindReadOnlyPaths={}:/etc/{}\n", path, path.substr(path.rfind('/') + 1));
    }
    return text;
}

}  // namespace

std::string quoted_word(std::string_view text) {
    std::string quoted = "\"";
    for (const char byte : text) {
        if (byte == '"' || byte == '\\') {
            quoted += '\\';
        } else if (byte == '%') {
            quoted += '%';  // a specifier otherwise
        }
        quoted += byte;
    }
    return quoted + '"';
}

std::string drop_in(const UnitPlace& place) {
    return mark_line(place) + "[Service]\n" + place_lines(place);
}

std::string hold(const UnitPlace& place) {
    std::string text = mark_line(place);
    text += "# Without its partition the unit does not start; remove the declaration, not this file.\n";
    text += "[Unit]\nAfter=partd.service\n";
    // A start that fails is seen and can be fixed; one that a condition skips looks like success.
    text += place.netns.empty() ? fmt::format("AssertPathExists=/sys/fs/cgroup/{}\n", place.group)
                                : fmt::format("\n[Service]\nNetworkNamespacePath={}\n", place.netns);
    return text;
}

std::string unit_file(const UnitPlace& place, const UnitCommand& command) {
    std::string text = mark_line(place);
    text += fmt::format("[Unit]\nDescription={}\n\n[Service]\nType=exec\n", command.description);
    text += place_lines(place);
    // ':' takes every '$' as it stands.
    text += "ExecStart=:";
    for (const std::string& word : command.command) {
        text += (&word == command.command.data() ? "" : " ") + quoted_word(word);
    }
    text += '\n';
    // Not Environment=: systemd tells everybody who asks.
    if (!command.environment_file.empty()) {
        text += fmt::format("EnvironmentFile={}\n", command.environment_file);
    }
    if (!command.user.empty()) {
        text += fmt::format("User={}\n", command.user);
    }
    if (command.relayed) {
        text += "KillMode=mixed\n";
    }
    return text + fmt::format("Restart={}\nRestartSec=1\n", command.restart);
}

std::optional<std::string> service_of(std::string_view text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const std::size_t comma = line.find(',');
    if (!line.starts_with(kMark) || comma == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string name(line.substr(kMark.size(), comma - kMark.size()));
    const auto parts = split(name, '/');
    return parts.size() == 2 && valid_name(parts[0]) && valid_name(parts[1]) ? std::optional(name)
                                                                             : std::nullopt;
}

std::string declared_in(std::string_view text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const std::size_t begin = line.find(kDeclared);
    const std::size_t end = line.rfind(kMarkEnd);
    return begin == std::string_view::npos || end == std::string_view::npos || end < begin
               ? std::string()
               : std::string(line.substr(begin + kDeclared.size(), end - begin - kDeclared.size()));
}

std::string_view below_mark(std::string_view text) {
    const std::size_t end = text.find('\n');
    return end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
}

std::string environment_path(std::string_view state, std::string_view service) {
    const std::size_t slash = service.find('/');
    return fmt::format("{}/environment/{}.{}", state, service.substr(0, slash), service.substr(slash + 1));
}

std::string drop_in_name(std::string_view unit, std::string_view partition) {
    return fmt::format("{}.d/50-partd-{}.conf", unit, partition);
}

std::string hold_name(std::string_view unit, std::string_view partition) {
    return fmt::format("{}.d/49-partd-{}.conf", unit, partition);
}

std::string own_unit_name(std::string_view partition, std::string_view name) {
    return fmt::format("partd-{}-{}.service", unit_escape(partition), unit_escape(name));
}

}  // namespace partd
