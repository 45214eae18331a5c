// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/rows.h"

#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

enum class IpvlanMode : std::uint16_t {
    L2 = IPVLAN_MODE_L2,
    L3 = IPVLAN_MODE_L3,
    L3s = IPVLAN_MODE_L3S,
    Unsaid = 0xffff,
};

enum class IpvlanFlags : std::uint16_t {
    Bridge = 0,
    Private = IPVLAN_F_PRIVATE,
    Vepa = IPVLAN_F_VEPA,
    Unsaid = 0xffff,
};

}  // namespace

template <>
struct EnumWords<IpvlanMode> {
    static constexpr std::array<EnumWord<IpvlanMode>, 3> kWords = {
        {{"l2", IpvlanMode::L2}, {"l3", IpvlanMode::L3}, {"l3s", IpvlanMode::L3s}}};
};

template <>
struct EnumWords<IpvlanFlags> {
    static constexpr std::array<EnumWord<IpvlanFlags>, 3> kWords = {
        {{"bridge", IpvlanFlags::Bridge}, {"private", IpvlanFlags::Private}, {"vepa", IpvlanFlags::Vepa}}};
};

namespace {

// [partition.NAME.link.IFNAME] of kind ipvlan. The kernel keeps mode and flags with the lower link: they are
// those of all its ipvlans (struct ipvl_port).
struct Ipvlan {
    static constexpr std::string_view kName = "ipvlan";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    IpvlanMode mode = IpvlanMode::L2;
    IpvlanFlags flags = IpvlanFlags::Bridge;
    // Without a word in the request it has those of its neighbours.
    static Ipvlan as_made() { return {.mode = IpvlanMode::Unsaid, .flags = IpvlanFlags::Unsaid}; }
    bool operator==(const Ipvlan&) const = default;
    static const Table table;
};

constexpr auto kAttributes = link::joined(
    link::self_attributes<Ipvlan>(), link::parent_attribute<Ipvlan>(),
    std::array{
        link::type_number<IFLA_IPVLAN_MODE, std::uint16_t, &Ipvlan::mode>(
            "mode",
            "where packets are sorted out: by addresses of the lower link's network (l2), or by routes "
            "(l3; l3s: netfilter sees them as well)",
            {.fallback = "\"l2\""}),
        link::type_number<IFLA_IPVLAN_FLAGS, std::uint16_t, &Ipvlan::flags>(
            "flags",
            "who hears it beside the lower link's network: other ipvlans of that link (bridge), nobody "
            "(private), those that a switch sends it back to (vepa)",
            {.fallback = "\"bridge\""})});
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Ipvlan::table = {
    "link", "An ipvlan: an interface on a lower link, with the hardware address of that.", kFields};

extern constinit const LinkType kIpvlan = link::make_type<Ipvlan, kAttributes>(
    {.has_parent = true,
     .use =
         [](const void* link) {
             const Ipvlan& ipvlan = *static_cast<const Ipvlan*>(link);
             const bool plain = ipvlan.flags == IpvlanFlags::Bridge;
             return fmt::format("an ipvlan in mode {}{}", Codec<IpvlanMode>::text(ipvlan.mode),
                                plain ? "" : ", " + Codec<IpvlanFlags>::text(ipvlan.flags));
         },
     .own_mac = false});

}  // namespace partd
