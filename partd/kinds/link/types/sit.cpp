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

constexpr auto kAttributes = link::ip_tunnel_attributes<Sit>();
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Sit::table = {"link", "A tunnel over IPv4 for IPv6 packets (RFC 4213).", kFields};

extern constinit const LinkType kSit = link::make_type<Sit, kAttributes>(link::ip_tunnel_ops<Sit>());

}  // namespace partd
