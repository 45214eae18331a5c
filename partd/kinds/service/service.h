// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

#include <array>

namespace partd {

// The name of a unit: "nginx.service", "backup@daily.service".
struct ServiceName : std::string {
    using std::string::string;
    static std::optional<ServiceName> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
template <>
struct TextFormat<ServiceName> {
    static constexpr std::string_view kExpected = "the name of a service of systemd like \"nginx.service\"",
                                      kPattern = "^[a-zA-Z0-9:_.\\\\-][a-zA-Z0-9:_.\\\\@-]{0,254}$";
};

// When systemd starts a command again.
enum class RestartPolicy : std::uint8_t { No, OnFailure, Always };
template <>
struct EnumWords<RestartPolicy> {
    static constexpr std::array<EnumWord<RestartPolicy>, 3> kWords = {
        {{"no", RestartPolicy::No},
         {"on-failure", RestartPolicy::OnFailure},
         {"always", RestartPolicy::Always}}};
};

// [partition.NAME.service.NAME]
struct ServiceSettings {
    std::optional<ServiceName> unit = {};
    std::vector<std::string> command = {};
    std::map<std::string, std::string> environment = {};
    std::optional<RestartPolicy> restart = {};
    std::optional<std::string> user = {};
    static const Table table;
};

// A service of systemd that runs in a partition: one that exists already, by a drop-in, or one of partd's.
struct Service {
    std::string partition = {};
    std::string name = {};
    std::string unit = {};
    bool joins = false;            // the unit is somebody else's
    std::string content = {};      // of the drop-in, or of the unit's file
    std::string environment = {};  // of the file with its variables; "" for none
    std::string held = {};   // of one that joins: "in place" when it cannot start elsewhere, or what is wrong
    std::string state = {};  // "in place", or what is wrong
    bool operator==(const Service&) const = default;
    static const Table table;

    std::string hold = {};  // text of the file that holds it; "" when there is none

    // Needed to tell the state:
    std::string group = {};  // below which it runs
    std::string netns = {};  // whose network namespace it is in; "" for the host's
    RestartPolicy restart = RestartPolicy::OnFailure;
};

extern const LiveKind kService;

}  // namespace partd
