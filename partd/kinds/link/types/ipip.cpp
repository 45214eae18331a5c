// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/tunnel.h"

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind ipip.
struct Ipip {
    static constexpr std::string_view kName = "ipip";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    Ip local = {};
    Ip remote = {};
    std::int64_t ttl = 0;
    bool operator==(const Ipip&) const = default;
    static const Table table;
};

constexpr auto kAttributes = link::ip_tunnel_attributes<Ipip>();
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Ipip::table = {"link", "A tunnel over IPv4 for IPv4 packets (RFC 2003).", kFields};

extern constinit const LinkType kIpip = link::make_type<Ipip, kAttributes>(link::ip_tunnel_ops<Ipip>());

}  // namespace partd
