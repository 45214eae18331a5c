// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// Facts about the host that partctl doctor needs and the rest of partd does not.

// The programs that run in the caller's network namespace, by their names, which the kernel cuts after 15
// bytes (proc_pid_comm(5)); one process of each.
std::map<std::string, pid_t> running_programs();
// True if both processes see the same mounts; nullopt if one of them is gone.
std::optional<bool> same_mounts(pid_t one, pid_t other);
// This process.
pid_t own_process();

// "6.1.0-18-amd64".
struct KernelRelease {
    unsigned major = 0;
    unsigned minor = 0;
    auto operator<=>(const KernelRelease&) const = default;
};
KernelRelease parse_release(std::string_view text);
// That of uname(2), as text.
std::string kernel_release();

// How many descriptors this process may have open (RLIMIT_NOFILE, soft).
std::uint64_t most_descriptors();

// A part of the kernel that may be a module.
enum class Module : std::uint8_t {
    Present,   // loaded or built in
    Loadable,  // would be loaded when it is needed
    Missing,
    Unknown,  // the kernel's modules are not described here (/lib/modules)
};
Module module_state(const std::string& name);

// A route of the caller's namespace to a network that is not link-local (/proc/net/route, ipv6_route). Of
// each family at most so many bytes of the kernel's text are read.
struct RoutedNetwork {
    std::string interface;
    Prefix prefix;  // of length 0: a default route
    std::optional<Ip> gateway = {};
};
std::vector<RoutedNetwork> routed_networks(std::size_t most = std::size_t{64} << 20);

// The version of systemd if it is PID 1 ("252.39-1~deb12u2"); "" if it is not or does not answer.
std::string systemd_version();

}  // namespace partd::kernel
