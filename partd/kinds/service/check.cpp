// SPDX-License-Identifier: Apache-2.0
#include "kinds/service/check.h"

#include "base/text.h"
#include "kinds/service/service.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace partd {

namespace {

bool is_word(std::string_view text, std::string_view others) {
    return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
           text.front() != '-' && std::ranges::all_of(text, [&](char byte) {
               return std::isalnum(static_cast<unsigned char>(byte)) != 0 || others.contains(byte);
           });
}

// As systemd takes it (user_record(5)): a name or a number.
bool is_user(std::string_view text) {
    constexpr std::size_t kMost = 31;
    return parse_number(text).has_value() || (text.size() <= kMost && is_word(text, "_-"));
}

void check_command(const DeclaredObject& object, Diagnostics& problems) {
    const auto& service = object.spec.as<ServiceSettings>();
    const auto error = [&](std::string_view key, const std::string& text) {
        problems.error(object.place(key), fmt::format("service {}/{}: {}", object.owner, object.name, text));
    };
    if (!service.command.front().starts_with('/') || service.command.front().contains('=')) {
        error("command", fmt::format("\"{}\" is not a path of a program: it begins with '/' and has no '='",
                                     service.command.front()));
    }
    for (const auto& [name, value] : service.environment) {
        if (!is_word(name, "_")) {
            error("environment",
                  fmt::format("\"{}\" is not a name of a variable: letters, digits and '_'", name));
        }
    }
    if (service.user && !is_user(*service.user)) {
        error("user", fmt::format("\"{}\" is not a name of a user", *service.user));
    }
}

}  // namespace

bool is_plain(const Membership& membership) {
    return std::ranges::none_of(kernel::kNamespaceTypes, [&](NamespaceKind type) {
        return membership.has(type) && type != NamespaceKind::Net && type != NamespaceKind::Cgroup;
    });
}

void check_service(const Declared& declared, const DeclaredObject& object, Diagnostics& problems) {
    const auto& service = object.spec.as<ServiceSettings>();
    const auto error = [&](std::string_view key, const std::string& text) {
        problems.error(object.place(key), fmt::format("service {}/{}: {}", object.owner, object.name, text));
    };
    if (service.unit.has_value() == !service.command.empty()) {
        error(service.unit ? "command" : "unit",
              "it has either a unit, which exists already, or a command, for which partd makes one");
        return;
    }
    if (!service.unit) {
        check_command(object, problems);
        if (service.user && !is_plain(membership_of(declared, object.owner))) {
            error("user",
                  fmt::format("partition {} has more than a network namespace of its own: its commands start "
                              "as its root; let the command change the user (setpriv, su)",
                              object.owner));
        }
        return;
    }
    for (const auto& [key, given] :
         {std::pair("environment", !service.environment.empty()),
          std::pair("restart", service.restart.has_value()), std::pair("user", service.user.has_value())}) {
        if (given) {
            error(key, fmt::format("{} belongs to a command; {} has its own", key, service.unit->text()));
        }
    }
}

std::optional<ServiceName> ServiceName::parse(std::string_view text) {
    constexpr std::size_t kMost = 255;
    constexpr std::string_view kSuffix = ".service";
    std::string name(text);
    const bool has_suffix =
        std::ranges::any_of(std::array{".service", ".socket", ".target", ".timer", ".mount", ".path",
                                       ".slice", ".scope", ".swap", ".device", ".automount"},
                            [&](std::string_view suffix) { return text.ends_with(suffix); });
    if (!has_suffix) {
        name += kSuffix;
    }
    const std::string_view stem = std::string_view(name).substr(0, name.size() - kSuffix.size());
    const bool fits = std::ranges::all_of(stem, [](char byte) {
        return std::isalnum(static_cast<unsigned char>(byte)) != 0 ||
               std::string_view(":_.\\-@").contains(byte);
    });
    if (!name.ends_with(kSuffix) || name.size() > kMost || !fits || stem.empty() || stem.ends_with('@') ||
        stem.starts_with('@')) {
        return std::nullopt;
    }
    return ServiceName(name.c_str());
}

}  // namespace partd
