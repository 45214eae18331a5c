// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/ip.h"
#include "kernel/netlink/netlink.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

// One interface, as RTM_NEWLINK tells it (rtnetlink(7)).
struct Link {
    int index = 0;
    std::string name;
    std::string kind;  // IFLA_INFO_KIND; "" for what has none, such as lo
    std::string alias;
    std::vector<std::string> altnames = {};
    std::optional<Mac> mac = {};
    std::int64_t mtu = 0;
    bool up = false;
    bool running = false;                      // up, and the other end is
    bool ipv6 = false;                         // IPv6 is on for it
    bool leads_out = false;                    // its other end, or what it stands on, is in another namespace
    int peer_index = 0;                        // of a pair: its other end's index, in that one's namespace
    int master = 0;                            // the index of what it is a port of; 0 for none
    std::string port_kind = {};                // IFLA_INFO_SLAVE_KIND: the kind of that
    std::vector<std::uint8_t> port_info = {};  // IFLA_INFO_SLAVE_DATA: what it is as a port
    // It takes what changes its host's routes from whoever is on the link: router advertisements, redirects,
    // or packets that say themselves which way they go (Documentation/networking/ip-sysctl.rst: accept_ra,
    // accept_redirects, accept_source_route).
    bool trusting = false;
    std::vector<std::uint8_t> info = {};  // IFLA_INFO_DATA, the attributes of its kind
    bool probing = false;  // it asks whether anybody has its IPv6 address before it uses it (accept_dad)
};

// partd chooses the indexes of what it makes from here up to the largest int. The kernel counts up from 1,
// and other programs let it count: no other interface ever gets one of these, so that a request that names
// one reaches the interface that partd made, or none (ENODEV).
inline constexpr int kFirstOwnIndex = 1 << 30;

// All interfaces of the socket's namespace.
Result<std::vector<Link>> list_links(NetlinkSocket& socket);
// One of them, by its name, alternative name or index; nullopt when there is none.
Result<std::optional<Link>> get_link(NetlinkSocket& socket, const std::string& name);
Result<std::optional<Link>> get_link(NetlinkSocket& socket, int index);
// The bytes that all interfaces of the socket's namespace but its loopback have received and sent.
struct Traffic {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
};
Result<Traffic> count_traffic(NetlinkSocket& socket);
// Decodes a message RTM_NEWLINK or RTM_DELLINK.
Link parse_link(const Reply& reply);
// The socket's namespace's id for another one, given to it when it has none (RTM_GETNSID, RTM_NEWNSID).
std::optional<int> namespace_id(NetlinkSocket& socket, int netns);

}  // namespace partd::kernel
