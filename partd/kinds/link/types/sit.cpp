// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/tunnel.h"

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind sit.
struct Sit {
    static constexpr std::string_view kName = "sit";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    Ip local = {};
    Ip remote = {};
    std::int64_t ttl = 0;
    bool operator==(const Sit&) const = default;
    static const Table table;
};

constexpr auto kAttributes =
    link::joined(link::self_attributes<Sit>(), link::parent_attribute<Sit>(false),
                 link::tunnel_attributes<Sit, IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL>());
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Sit::table = {"link", "A tunnel over IPv4 for IPv6 packets (RFC 4213).", kFields};

extern constinit const LinkType kSit = link::make_type<Sit, kAttributes>(
    {.check = [](const Declared&, const DeclaredObject& link,
                 Diagnostics& problems) { link::check_tunnel<Sit>(link, problems); },
     .exclusive_name = [](const void* link) { return link::tunnel_text(*static_cast<const Sit*>(link), ""); },
     .has_parent = true,
     .parent_info = IFLA_IPTUN_LINK,
     .parent_inside = true,
     .overhead = 20,
     .own_mac = false,
     .ethernet = false,
     .changes_whole = true});

}  // namespace partd
