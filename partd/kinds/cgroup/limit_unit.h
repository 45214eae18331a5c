// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/systemd/property.h"

#include <string>
#include <string_view>

namespace partd {

// Values as properties of a slice, for kControls; "" takes a limit away.

// A number or "max".
kernel::UnitProperties unit_number(const char* property, const std::string& value);
// Processors or memory nodes, as bits.
kernel::UnitProperties unit_list(const char* property, const std::string& value);
// "QUOTA PERIOD" in µs: the quota a second is that property, beside that of the period.
kernel::UnitProperties unit_cpu_quota(const char* property, const std::string& value);
// All four rates of io.max, each a property of its own.
kernel::UnitProperties unit_devices(const char* property, const std::string& value);

// cpu.weight and cpu.idle, which share one property; "" for what is not declared.
kernel::UnitProperties cpu_weight_properties(std::string_view weight, std::string_view idle);

}  // namespace partd
