// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/interfaces.h"
#include "kinds/link/types/rows.h"

#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind vlan.
struct Vlan {
    static constexpr std::string_view kName = "vlan";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    std::optional<std::int64_t> id = {};
    bool operator==(const Vlan&) const = default;
    static const Table table;
};

constexpr auto kAttributes =
    link::joined(link::self_attributes<Vlan>(), link::parent_attribute<Vlan>(),
                 std::array{link::type_number<IFLA_VLAN_ID, std::uint16_t, &Vlan::id>(
                     "id", "the number that its packets bear",
                     {.role = Role::Replace, .required = true, .min = 1, .max = 4094})});
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Vlan::table = {"link", "A VLAN: the tagged packets of a lower link (IEEE 802.1Q).",
                                     kFields};

extern constinit const LinkType kVlan = link::make_type<Vlan, kAttributes>(
    {.exclusive_name =
         [](const void* link) {
             const Vlan& vlan = *static_cast<const Vlan*>(link);
             return fmt::format("VLAN {} of {}", vlan.id.value_or(0), lower_text(vlan.self));
         },
     .has_parent = true});

}  // namespace partd
