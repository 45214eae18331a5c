// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/interfaces.h"
#include "kinds/link/types/rows.h"

#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

enum class MacvlanMode : std::uint8_t {
    Private = MACVLAN_MODE_PRIVATE,
    Vepa = MACVLAN_MODE_VEPA,
    Bridge = MACVLAN_MODE_BRIDGE,
    Passthru = MACVLAN_MODE_PASSTHRU,
};

}  // namespace

template <>
struct EnumWords<MacvlanMode> {
    static constexpr std::array<EnumWord<MacvlanMode>, 4> kWords = {{{"bridge", MacvlanMode::Bridge},
                                                                     {"private", MacvlanMode::Private},
                                                                     {"vepa", MacvlanMode::Vepa},
                                                                     {"passthru", MacvlanMode::Passthru}}};
};

namespace {

// [partition.NAME.link.IFNAME] of kind macvlan.
struct Macvlan {
    static constexpr std::string_view kName = "macvlan";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    MacvlanMode mode = MacvlanMode::Bridge;
    // Without a word in the request it is vepa, which needs a switch that sends packets back.
    static Macvlan as_made() { return {.mode = MacvlanMode::Vepa}; }
    bool operator==(const Macvlan&) const = default;
    static const Table table;
};

// A lower link with one in this mode carries no other (macvlan_changelink(), macvlan_common_newlink()).
std::string is_alone(const Macvlan& link) {
    return link.mode == MacvlanMode::Passthru ? "true" : "false";
}

constexpr auto kAttributes = link::joined(
    link::self_attributes<Macvlan>(), link::parent_attribute<Macvlan>(),
    std::array{
        link::type_number<IFLA_MACVLAN_MODE, std::uint32_t, &Macvlan::mode>(
            "mode",
            "who hears it beside the lower link's network: other macvlans of that link (bridge), nobody "
            "(private), those that a switch sends it back to (vepa); passthru: it alone has the lower "
            "link, with its hardware address",
            {.fallback = "\"bridge\""}),
        link::fixed<Macvlan, is_alone>("passthru", "it alone has the lower link")});
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Macvlan::table = {
    "link", "A macvlan: an interface with a hardware address of its own on a lower link.", kFields};

extern constinit const LinkType kMacvlan = link::make_type<Macvlan, kAttributes>(
    {.exclusive_name =
         [](const void* link) {
             const Macvlan& macvlan = *static_cast<const Macvlan*>(link);
             return macvlan.mode == MacvlanMode::Passthru ? "passthru of " + lower_text(macvlan.self)
                                                          : std::string();
         },
     .has_parent = true,
     .use =
         [](const void* link) {
             const bool alone = static_cast<const Macvlan*>(link)->mode == MacvlanMode::Passthru;
             return std::string(alone ? "a macvlan in mode passthru" : "a macvlan");
         }});

}  // namespace partd
