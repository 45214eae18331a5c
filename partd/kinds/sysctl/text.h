// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// Words with one blank between them: the kernel separates by tabs, people do by blanks.
std::string one_line(std::string_view text);

// True if the kernel's text `found` means `wanted`. The kernel reads numbers in base 8, 10 and 16 and shows
// them in base 10 (proc_get_long() in kernel/sysctl.c), joins ports to ranges (proc_do_large_bitmap()), shows
// IPv6 addresses and keys in full; fewer numbers than a parameter has set its first ones.
bool same_sysctl(std::string_view wanted, std::string_view found);
// A number without sign, in any of these bases.
std::optional<std::uint64_t> sysctl_number(std::string_view word);
// True if both are numbers, or both lists of ports, so that they differ in value and not only in form.
bool is_comparable(std::string_view wanted, std::string_view found);

// The ledger's record of one parameter, as text in the entry's identity.
struct SysctlRecord {
    std::optional<std::string> before;  // nullopt: it had no value that could be read
    std::string wanted;                 // that was written or, until `written`, is about to be
    std::string made;                   // of it, by the kernel
    bool written = false;

    // nullopt for an entry that only says that the parameter was about to be written.
    static std::optional<SysctlRecord> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
};

// A parameter of one interface, or of "all" or "default": net/ipv4/conf/eth0/rp_filter,
// net/ipv6/neigh/eth0/gc_stale_time.
struct InterfaceSysctl {
    std::string directory;  // "net/ipv4/conf/"
    std::string interface;
    std::string name;  // "rp_filter"

    static std::optional<InterfaceSysctl> parse(std::string_view path);
    // The path of this parameter for another interface.
    [[nodiscard]] std::string of(std::string_view other) const {
        return directory + std::string(other) + "/" + name;
    }
    [[nodiscard]] bool is_general() const { return interface == "all" || interface == "default"; }
};

// The one path of a parameter that has two: net/ipv4/conf/all/forwarding is net/ipv4/ip_forward.
std::string canonical_sysctl(const std::string& path);

// The parameters by which the kernel may change this one: the new interface takes over what stands in
// "default", "all" of some is spread over every interface, and forwarding turns redirects off (devinet.c,
// addrconf.c).
std::vector<std::string> spreading_over(const std::string& path);

}  // namespace partd
