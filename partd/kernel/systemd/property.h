// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

struct sd_bus_message;

namespace partd::kernel {

// A property of a unit, in the type that systemd's bus has for it (org.freedesktop.systemd1(5)).
struct UnitProperty {
    using Devices = std::vector<std::pair<std::string, std::uint64_t>>;  // a(st): block device, limit

    std::string name;
    // b, t, s, ay, au, a(st)
    std::variant<bool, std::uint64_t, std::string, std::vector<std::uint8_t>, std::vector<std::uint32_t>,
                 Devices>
        value;
    bool operator==(const UnitProperty&) const = default;
};
using UnitProperties = std::vector<UnitProperty>;

// "No limit" and "as before" of numbers among the properties.
inline constexpr std::uint64_t kUnitInfinity = UINT64_MAX;

// Appends them to a message as a(sv); a negative errno as sd-bus has it.
int append_properties(sd_bus_message* message, const UnitProperties& properties);

}  // namespace partd::kernel
