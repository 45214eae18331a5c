// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace partd {

// Longest name of an interface, without the end (IFNAMSIZ - 1, linux/if.h).
inline constexpr std::size_t kMaxIfName = 15;
// Longest name of a partition, slice or template.
inline constexpr std::size_t kMaxName = 64;

// [A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])? : safe as a file, cgroup and unit name.
bool valid_name(std::string_view name);
// 1 to 15 bytes without '/', ':', '%', blank or control character; not ".", "..", "all", "default"
// (dev_valid_name() in net/core/dev.c takes more, but those are directories of /proc/sys/net or patterns).
bool valid_if_name(std::string_view name);

// A name as a part of a unit's name, '-' escaped as systemd-escape(1) does it: "a-b" is "a\x2db".
std::string unit_escape(std::string_view name);

}  // namespace partd
