// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/process/processes.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/kinds.h"
#include "kinds/marks.h"

#include <algorithm>

namespace partd {

namespace {

// An identity has a word for each part of the object; a part that went missing leaves the others.
bool same_object(const std::string& recorded, const std::string& found) {
    const auto known = words(recorded);
    const auto seen = words(found);
    return recorded.empty() || seen.empty() || std::ranges::any_of(seen, [&](std::string_view word) {
               return std::ranges::find(known, word) != known.end();
           });
}

}  // namespace

Resource& Observation::add(Resource resource, const std::string& former) {
    const LedgerEntry* entry = ledger.find({resource.key.kind->name, resource.key.name});
    entry = entry == nullptr ? ledger.find({resource.key.kind->name, former}) : entry;
    const bool known = entry != nullptr && same_object(entry->identity, resource.identity);
    const bool wanted = desired.find(resource.key) != nullptr;
    const bool certain = entry != nullptr && !entry->identity.empty() && !resource.identity.empty();
    const bool intended = entry != nullptr && entry->identity.empty() && resource.pending_mark;
    const bool ours = resource.marked ? known || ledger.lost : (wanted && known && certain) || intended;
    resource.ownership = ours ? Ownership::Ours : Ownership::Foreign;
    if (resource.owner.empty() && entry != nullptr) {
        resource.owner = entry->owner;
    }
    return observed.add(std::move(resource));
}

void Observation::add_foreign(const Resource& wanted, std::string holder) {
    observed.add({.key = wanted.key,
                  .spec = wanted.spec,
                  .owner = wanted.owner,
                  .ownership = Ownership::Foreign,
                  .holder = std::move(holder)});
}

std::set<std::string> Observation::names_of(const Kind& kind) const {
    std::set<std::string> names;
    for_wanted(kind, [&](const Resource& wanted) { names.insert(wanted.key.name); });
    for_known(kind, [&](const std::string& name, const LedgerEntry&) { names.insert(name); });
    return names;
}

Result<std::span<const kernel::MarkedGroup>> Observation::groups() {
    if (listed_groups) {
        return *listed_groups;
    }
    if (scope.all) {
        auto all = host.cgroups().marked();
        PARTD_TRY(all);
        return listed_groups.emplace(std::move(*all));
    }
    std::vector<kernel::MarkedGroup> found;
    for (const std::string& name : names_of(kCgroup.kind)) {
        if (auto group = host.cgroups().look(name)) {
            found.push_back(std::move(*group));
        }
    }
    return listed_groups.emplace(std::move(found));
}

Result<Observation::Told*> Observation::told(const std::string& name, int index) {
    const auto before = listed.find({name, index});
    if (before != listed.end()) {
        return &before->second;
    }
    auto namespace_of = host.netns(name);
    PARTD_TRY(namespace_of);
    kernel::NetlinkSocket& socket = (*namespace_of)->route();
    // In this order: an address that comes in between has no routes yet.
    auto addresses = kernel::list_addresses(socket, index);
    PARTD_TRY(addresses);
    auto routes = kernel::list_routes(socket, index, !name.empty());
    PARTD_TRY(routes);
    Told& told = listed[{name, index}];
    told = {std::move(*addresses), std::move(*routes), {}};
    told.links = kernel::by_link(told.addresses, told.routes, kProtocolMark);
    return &told;
}

void Observation::add_unreadable(const Key& key, Spec spec, const std::string& owner, const Error& why) {
    unreadable.insert(owner);
    observed.add({.key = key,
                  .spec = std::move(spec),
                  .owner = owner,
                  .ownership = Ownership::Foreign,
                  .marked = true,
                  .holder = "cannot be looked at: " + why.message});
}

Result<const std::multimap<ino_t, pid_t>*> ApplyContext::processes() {
    if (!listed) {
        auto all = kernel::processes_by_namespace(std::array{kernel::NamespaceType::Net});
        PARTD_TRY(all);
        listed = std::move(*all);
    }
    return &*listed;
}

}  // namespace partd
