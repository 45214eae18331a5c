// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/ip.h"
#include "kernel/netlink/links.h"
#include "kernel/netlink/netlink.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace partd::kernel {

// An address of an interface, as far as the kernel makes routes of it.
struct Assigned {
    Address address;
    std::uint32_t flags = 0;    // IFA_F_* of if_addr.h
    std::uint8_t protocol = 0;  // IFA_PROTO; 0 before Linux 5.18
    bool to_peer = false;       // it names the other end's address, which has the routes
};
Assigned parse_assigned(const Reply& reply);

// A route that the kernel makes by itself when an interface gets an address (fib_add_ifaddr() in
// net/ipv4/fib_frontend.c, addrconf_prefix_route() and its neighbours in net/ipv6/addrconf.c): to the
// address's network, to the address itself in the table local, to its broadcast address.
struct OwnRoute {
    Prefix to;
    std::uint32_t table = 0;
    std::uint8_t type = 0;       // RTN_*
    std::optional<Ip> src = {};  // of IPv4
    bool operator==(const OwnRoute&) const = default;

    // 0, and 256 for IPv6 but for the address itself.
    [[nodiscard]] std::uint32_t metric() const;
    // "10.5.0.0/24", "local 10.5.0.1".
    [[nodiscard]] std::string text() const;
};

// An interface's addresses, and those routes of the kernel's own that it has.
struct Addressed {
    std::vector<Assigned> addresses;
    std::vector<OwnRoute> routes;
};
using AddressedLinks = std::unordered_map<int, Addressed>;  // by index

// All of that namespace; of one interface where `index` is not 0. `all`: the routes of others are listed as
// well, though not taken: one that stands before the kernel's hides it.
Result<std::vector<StoredReply>> list_addresses(NetlinkSocket& socket, int index);
Result<std::vector<StoredReply>> list_routes(NetlinkSocket& socket, int index, bool all);
AddressedLinks by_link(const std::vector<StoredReply>& addresses, const std::vector<StoredReply>& routes,
                       std::uint8_t own_protocol);

// Where the kernel makes an interface's own routes.
struct RouteHome {
    std::uint32_t table = 0;   // 0: main and local
    bool whole_table = false;  // the interface stands for that table (l3mdev): it has no multicast route
};

// The routes that the kernel would have made of one of its addresses while the link is up, and that are not
// there any more. None where it makes them later: the link is down, or an address is still being probed.
std::vector<OwnRoute> missing_routes(const Link& link, const RouteHome& home, const Addressed& on_link,
                                     const Assigned& address);

// Appends what puts such a route of that address back, just as the kernel has it: it takes it away with the
// address.
void put_back(int index, const Assigned& address, const OwnRoute& route, std::vector<Message>& messages);

}  // namespace partd::kernel
