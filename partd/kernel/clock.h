// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace partd::kernel {

// CLOCK_BOOTTIME: goes on during suspend, and nobody can set it.
std::chrono::milliseconds since_boot();
// A time as partd writes it, in milliseconds since 1970; nullopt when it is none, or later than the clock can
// say (in the year 2262).
std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text);
// This boot's id (sd_id128_get_boot(3)), once it was learnt.
Result<> learn_boot_id();
const std::string& boot_id();

}  // namespace partd::kernel
