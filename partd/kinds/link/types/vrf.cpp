// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/rows.h"

#include <linux/rtnetlink.h>

#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind vrf.
struct Vrf {
    static constexpr std::string_view kName = "vrf";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    std::vector<Sourced<IfName>> ports = {};
    std::optional<std::int64_t> id = {};
    bool operator==(const Vrf&) const = default;
    static const Table table;
};

constexpr auto kAttributes =
    link::joined(link::self_attributes<Vrf>(), link::ports_attribute<Vrf>(),
                 std::array{link::type_number<IFLA_VRF_TABLE, std::uint32_t, &Vrf::id>(
                     "id", "the routing table that its ports have for themselves",
                     {.role = Role::Replace, .required = true, .min = 1, .max = 0xffffffffLL})});
constexpr auto kFields = link::fields_of(kAttributes);

void check(const Declared&, const DeclaredObject& link, Diagnostics& problems) {
    const std::int64_t id = link.spec.as<Vrf>().id.value_or(0);
    if (id >= RT_TABLE_DEFAULT && id <= RT_TABLE_LOCAL) {
        problems.error(link.place("id"), fmt::format("{} is a table of interfaces outside any vrf", id));
    }
}

}  // namespace

constinit const Table Vrf::table = {
    "link", "A VRF: its ports have a routing table of their own (virtual routing and forwarding).", kFields};

extern constinit const LinkType kVrf =
    link::make_type<Vrf, kAttributes>({.check = check, .table_info = IFLA_VRF_TABLE, .joins = false});

}  // namespace partd
