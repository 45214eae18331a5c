// SPDX-License-Identifier: Apache-2.0
#include "kinds/ties.h"

#include "kinds/link/interfaces.h"
#include "kinds/namespace/user.h"
#include "kinds/nat/forward.h"
#include "kinds/partition.h"

#include <algorithm>

namespace partd {

namespace {

void tie_parents(const Declared& declared, Ties& ties) {
    const auto ends = host_ends(declared);
    for (const DeclaredObject* link : declared_links(declared)) {
        const LinkEnd self = self_end(*link);
        const Lower* lower = self.lower();
        if (lower == nullptr || !lower->on_host()) {
            continue;
        }
        for (const Interface& end : ends) {
            if (lower->name() == end.name) {
                ties.pairs.emplace_back(link->owner, end.partition);
            }
        }
    }
}

void tie_forwards(const Declared& declared, Ties& ties) {
    const auto interfaces = all_interfaces(declared);
    for (const DeclaredObject* object : declared.all<Forward>()) {
        const auto& at = object->spec.as<Forward>().address;
        const auto is_listened_at = [&](const auto& address) {
            return std::ranges::find(at, address.value.ip) != at.end();
        };
        for (const Interface& interface : interfaces) {
            if (std::ranges::any_of(interface.addresses, is_listened_at)) {
                ties.pairs.emplace_back(object->owner, interface.partition);
            }
        }
    }
}

void tie_users(const Declared& declared, Ties& ties) {
    const DeclaredObject* former = nullptr;
    for (const DeclaredObject* object : declared.all<User>()) {
        const User& user = object->spec.as<User>();
        if (user.uid_map.empty() && user.gid_map.empty()) {
            continue;
        }
        if (former != nullptr) {
            ties.pairs.emplace_back(former->owner, object->owner);
        }
        former = object;
    }
}

}  // namespace

Ties ties_between(const Declared& declared) {
    Ties ties;
    tie_parents(declared, ties);
    tie_forwards(declared, ties);
    tie_users(declared, ties);
    ties.all = std::ranges::any_of(declared.all<Partition>(), [](const DeclaredObject* object) {
        return reaches_any(object->spec.as<Partition>());
    });
    return ties;
}

}  // namespace partd
