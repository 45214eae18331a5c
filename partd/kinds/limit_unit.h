#pragma once

#include "kernel/unit_property.h"

#include <optional>
#include <string>
#include <string_view>

namespace partd {

// Limits as properties of a slice, where systemd is the writer of cgroups (systemd.resource-control(5),
// version 252).

// What gives a group this value (the kernel's v2 form), or with default_of() takes the limit away. nullopt
// for what systemd has no property for. Not for cpu.weight and cpu.idle, which share one.
std::optional<kernel::UnitProperties> unit_properties(std::string_view key, const std::string& value);
// Both at once; "" for what is not declared.
kernel::UnitProperties cpu_weight_properties(std::string_view weight, std::string_view idle);

}  // namespace partd
