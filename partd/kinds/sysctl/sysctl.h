// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/told.h"

namespace partd {

struct SysctlEntry {
    std::string path;  // below /proc/sys: "net/ipv4/ip_forward"
    std::string value;
    Source at;
};

// [partition.NAME.sysctl]: free keys.
struct Sysctls {
    std::vector<SysctlEntry> entries;
    static const Table table;
};

// One kernel parameter of a network namespace.
struct Sysctl {
    std::string netns = {};  // "" is the host
    std::string path = {};
    std::string value = {};
    // Of one that was found and is to be removed: the value that it gets.
    std::string restored = {};
    // Of "all" and "default" as found: the interfaces whose own one is on record.
    std::vector<std::string> declared = {};
    Told deaf = {};     // of IPv6 forwarding: links that it keeps from learning routes
    Told stalled = {};  // of IPv4 forwarding: partd's links that take no part in it
    bool operator==(const Sysctl&) const = default;
    static const Table table;
};

extern const LiveKind kSysctl;

// Finds the parameters that are wanted, and those that partd set and nobody wants any more.
Result<> observe_sysctls(Observation& observation);
// Sets one, or puts back what was there before partd.
Result<> apply_sysctl(ApplyContext& context, const Change& change, std::size_t number);

Key sysctl_key(std::string_view netns, const std::string& path);
// The namespace and path that a key's name stands for.
Sysctl parse_sysctl_key(const std::string& name);

// Adds the wish for a parameter of the host's own namespace.
Resource& want_host_sysctl(State& desired, const std::string& path, const std::string& value,
                           const std::string& owner, const Source& source);
// Its key.
Key host_sysctl_key(const std::string& path);

// The switches that make the host a router.
inline constexpr char kForwarding4[] = "net/ipv4/ip_forward";
inline constexpr char kForwarding6[] = "net/ipv6/conf/all/forwarding";

}  // namespace partd
