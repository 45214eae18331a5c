// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/rows.h"

namespace partd {

namespace {

// [partition.NAME.link.IFNAME] of kind dummy.
struct Dummy {
    static constexpr std::string_view kName = "dummy";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    bool operator==(const Dummy&) const = default;
    static const Table table;
};

constexpr auto kAttributes = link::self_attributes<Dummy>();
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Dummy::table = {
    "link", "A dummy interface: it has addresses, and drops what is sent by it.", kFields};

extern constinit const LinkType kDummy = link::make_type<Dummy, kAttributes>();

}  // namespace partd
