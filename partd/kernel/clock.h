#pragma once

#include <chrono>
#include <string>

namespace partd::kernel {

// CLOCK_BOOTTIME: goes on during suspend, and nobody can set it.
std::chrono::milliseconds since_boot();
// This boot's id (sd_id128_get_boot(3)).
std::string boot_id();

}  // namespace partd::kernel
