// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/type.h"

#include <array>

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind bridge; its ports name it by their key "bridge".
struct Bridge {
    static constexpr std::string_view kName = "bridge";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    bool stp = false;
    bool vlan_filtering = false;
    bool operator==(const Bridge&) const = default;
    static const Table table;
};

constexpr auto kAttributes =
    link::joined(link::self_attributes<Bridge>(),
                 std::array{
                     link::type_number<IFLA_BR_STP_STATE, std::uint32_t, &Bridge::stp>(
                         "stp", "it speaks the spanning tree protocol", {.fallback = "false"}),
                     link::type_number<IFLA_BR_VLAN_FILTERING, std::uint8_t, &Bridge::vlan_filtering>(
                         "vlan_filtering", "it looks at VLAN tags", {.fallback = "false"}),
                     Attribute{.field = reserved("ports")},  // the ports name the bridge
                 });
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Bridge::table = {"link", "A bridge between interfaces of the partition.", kFields};

extern constinit const LinkType kBridge = link::make_type<Bridge, kAttributes>({.has_ports = true});

}  // namespace partd
