// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace partd {

// Kinds of interfaces as the kernel calls them (IFLA_INFO_KIND), whoever made them.

// Links to machines on this host, whose managers (docker, libvirt) rely on forwarding, and tunnels that the
// host itself ends. One that leads to the outside stands among the uplinks.
inline constexpr std::array<std::string_view, 14> kOwnMachines = {
    "bridge", "veth", "tun",  "netkit", "wireguard", "ppp",  "vxlan",
    "geneve", "gre",  "ipip", "sit",    "ip6tnl",    "xfrm", "openvswitch"};

// Links that programs make for their guests: a route over one leads to those.
inline constexpr std::array<std::string_view, 9> kForGuests = {
    "bridge", "veth", "dummy", "macvlan", "macvtap", "ipvlan", "ipvtap", "ifb", "netkit"};

// Links that lead to programs or machines on this host, whose advertisements would make them its router. A
// veth is none of them: it may be the uplink of a host that is a container itself.
inline constexpr std::array<std::string_view, 5> kInner = {"netkit", "tun", "ifb", "dummy", "vrf"};

}  // namespace partd
