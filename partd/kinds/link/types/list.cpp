// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/type.h"

#include <algorithm>
#include <array>

namespace partd {

extern const LinkType kBond;
extern const LinkType kBridge;
extern const LinkType kDummy;
extern const LinkType kGre;
extern const LinkType kIfb;
extern const LinkType kIpip;
extern const LinkType kIpvlan;
extern const LinkType kMacvlan;
extern const LinkType kSit;
extern const LinkType kVeth;
extern const LinkType kVlan;
extern const LinkType kVrf;
extern const LinkType kVxlan;
extern const LinkType kWireguard;

namespace {

// The list of types; the first is what a link without the key "kind" is.
constexpr std::array kTypes = {&kVeth, &kBridge, &kDummy, &kVlan, &kMacvlan, &kIpvlan, &kVxlan,
                               &kVrf,  &kBond,   &kGre,   &kIpip, &kSit,     &kIfb,    &kWireguard};

}  // namespace

std::span<const LinkType* const> link_types() {
    return kTypes;
}

const LinkType* find_link_type(std::string_view name) {
    const auto found = std::ranges::find(kTypes, name, &LinkType::name);
    return found == kTypes.end() ? nullptr : *found;
}

const LinkType* type_of(const Spec& link) {
    const auto found = std::ranges::find(kTypes, &link.table(),
                                         [](const LinkType* type) { return type->declaration.table; });
    return found == kTypes.end() ? nullptr : *found;
}

}  // namespace partd
