// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup/delegation.h"

#include "kinds/cgroup/cgroup.h"
#include "kinds/namespace/membership.h"

#include <algorithm>

namespace partd {

namespace {

using kernel::Ids;

// A control group in the hands of those who live in it.
struct Delegation {
    std::string group;
    std::string to;  // "root", or root of the partition's own users
    bool operator==(const Delegation&) const = default;
    static const Table table;
};

constexpr Field kFields[] = {
    field<&Delegation::group>("group", "the control group", {.role = Role::Identity, .live = true}),
    field<&Delegation::to>("to", "who may make groups below it", {.live = true}),
};

constexpr char kRoot[] = "root";
constexpr char kRootInside[] = "root of its users";

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const DeclaredObject* object : declared.all<Limits>()) {
        if (!object->spec.as<Limits>().delegate.value_or(false)) {
            continue;
        }
        const std::string& name = object->owner;
        const std::string group = group_of(declared, name);
        const Key cgroup{&kCgroup.kind, group};
        const bool slice = find_partition(declared, name) == nullptr;
        const Membership membership = slice ? Membership() : membership_of(declared, name);
        const bool own_users = membership.has(NamespaceKind::User);
        Resource resource{.key = {&kDelegation.kind, group},
                          .spec = Spec(Delegation{group, own_users ? kRootInside : kRoot}),
                          .owner = name,
                          .source = object->place("delegate"),
                          .depends_on = {cgroup},
                          .contained_in = {cgroup}};
        if (own_users) {
            stands_in(resource, namespace_key(membership, name, NamespaceKind::User));
        }
        desired.add(std::move(resource));
    }
}

// Whom `to` is on the host.
Result<Ids> ids_of(kernel::Host& host, const std::string& owner, const std::string& to) {
    if (to != kRootInside) {
        return Ids{};
    }
    const auto user = open_namespace(host, owner, NamespaceKind::User);
    PARTD_TRY(user);
    const auto maps = maps_of(host, owner, *user);
    PARTD_TRY(maps);
    const auto uid = kernel::outside_id(maps->uids, 0);
    const auto gid = kernel::outside_id(maps->gids, 0);
    return uid && gid ? Result<Ids>(Ids{*uid, *gid})
                      : fail("its users have no root: map 0 in uid_map and gid_map");
}

// The words that stand for those who have it.
std::string words_for(kernel::Host& host, const std::string& owner, const std::optional<Ids>& ids) {
    for (const char* to : {kRootInside, kRoot}) {
        if (const auto meant = ids_of(host, owner, to); meant && ids == *meant) {
            return to;
        }
    }
    return ids ? ids->text() : "several users";
}

Result<> observe(Observation& observation) {
    const auto& cgroups = observation.host.cgroups();
    const auto groups = observation.groups();
    PARTD_TRY(groups);
    for (const auto& [group, owner, identity, attributes] : *groups) {
        if (std::ranges::find(attributes, kernel::kDelegationMark) == attributes.end()) {
            continue;
        }
        const Key cgroup{&kCgroup.kind, group};
        observation.add({.key = {&kDelegation.kind, group},
                         .spec = Spec(Delegation{group, words_for(observation.host, owner,
                                                                  kernel::delegated_to(cgroups, group))}),
                         .owner = owner,
                         .depends_on = {cgroup},
                         .contained_in = {cgroup},
                         .marked = true});
    }
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t) {
    context.batch.count_write();
    const auto& cgroups = context.host.cgroups();
    if (change.action == Action::Remove) {
        return kernel::end_delegation(cgroups, change.key.name);
    }
    const auto ids = ids_of(context.host, change.owner, change.wanted.as<Delegation>().to);
    PARTD_TRY(ids);
    return kernel::delegate(cgroups, change.key.name, *ids);
}

}  // namespace

constinit const Table Delegation::table = {"delegation", "A control group handed to those who live in it.",
                                           kFields};

constinit const LiveKind kDelegation = {
    .kind = {.name = "delegation",
             .expand = expand,
             .summary = [](const Spec& spec) { return "to " + spec.as<Delegation>().to; },
             .independent = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
