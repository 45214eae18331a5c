// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/rows.h"

#include <array>

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind bridge; its ports name it by their key "bridge", or it names them.
struct Bridge {
    static constexpr std::string_view kName = "bridge";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    std::vector<Sourced<IfName>> ports = {};
    bool stp = false;
    bool vlan_filtering = false;
    bool operator==(const Bridge&) const = default;
    static const Table table;
};

constexpr auto kAttributes =
    link::joined(link::self_attributes<Bridge>(), link::ports_attribute<Bridge>(),
                 std::array{
                     link::type_number<IFLA_BR_STP_STATE, std::uint32_t, &Bridge::stp>(
                         "stp", "it speaks the spanning tree protocol", {.fallback = "false"}),
                     link::type_number<IFLA_BR_VLAN_FILTERING, std::uint8_t, &Bridge::vlan_filtering>(
                         "vlan_filtering", "it looks at VLAN tags", {.fallback = "false"}),
                 });
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Bridge::table = {"link", "A bridge between interfaces of the partition.", kFields};

extern constinit const LinkType kBridge = link::make_type<Bridge, kAttributes>(
    {.port_key = "bridge", .takes_packets = true, .ethernet_ports = true});

}  // namespace partd
