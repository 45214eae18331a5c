// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/rows.h"

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind ifb.
struct Ifb {
    static constexpr std::string_view kName = "ifb";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    bool operator==(const Ifb&) const = default;
    static const Table table;
};

constexpr auto kAttributes = link::self_attributes<Ifb>();
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Ifb::table = {
    "link", "An intermediate functional block: packets redirected to it by tc pass its queue.", kFields};

extern constinit const LinkType kIfb = link::make_type<Ifb, kAttributes>();

}  // namespace partd
