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

constexpr auto kAttributes =
    link::joined(link::self_attributes<Ipip>(), link::parent_attribute<Ipip>(false),
                 link::tunnel_attributes<Ipip, IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL>());
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Ipip::table = {"link", "A tunnel over IPv4 for IPv4 packets (RFC 2003).", kFields};

extern constinit const LinkType kIpip = link::make_type<Ipip, kAttributes>(
    {.check = [](const Declared&, const DeclaredObject& link,
                 Diagnostics& problems) { link::check_tunnel<Ipip>(link, problems); },
     .exclusive_name =
         [](const void* link) { return link::tunnel_text(*static_cast<const Ipip*>(link), ""); },
     .has_parent = true,
     .parent_info = IFLA_IPTUN_LINK,
     .parent_inside = true,
     .overhead = 20,
     .own_mac = false,
     .ethernet = false,
     .changes_whole = true});

}  // namespace partd
