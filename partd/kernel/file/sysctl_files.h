// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace partd::kernel {

// The value that the files of sysctl.d(5), sysctl.conf(5) and ufw give one of these parameters, by the last
// line that names one; nullopt when none does. `paths` are below /proc/sys ("net/ipv4/ip_forward"); patterns
// in the files are not looked at. `root` is before all names of directories.
std::optional<std::string> configured_sysctl(const std::string& root,
                                             std::span<const std::string_view> paths);

}  // namespace partd::kernel
