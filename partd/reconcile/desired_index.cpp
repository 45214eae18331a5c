// SPDX-License-Identifier: Apache-2.0
#include "reconcile/desired_index.h"

#include "plan/diff.h"

#include <algorithm>

namespace partd {

DesiredIndex::DesiredIndex(const State& desired) {
    for (const Resource& resource : desired.all()) {
        add(resource, desired);
    }
}

DesiredIndex::ByOwner& DesiredIndex::place_of(const Resource& resource) {
    const std::string_view channel = resource.key.kind->channel;
    return channel.empty() ? by_owner_ : by_channel_[channel];
}

void DesiredIndex::add(const Resource& resource, const State& desired) {
    place_of(resource)[resource.owner].push_back(resource.key);
    for (const Key& need : resource.depends_on) {
        const Resource* needed = desired.find(need);
        if (needed != nullptr && needed->owner != resource.owner && !needed->owner.empty()) {
            dependents_[needed->owner].insert(resource.owner);
        }
    }
}

void DesiredIndex::remove(const Resource& resource) {
    ByOwner& place = place_of(resource);
    auto& keys = place[resource.owner];
    std::erase(keys, resource.key);
    if (keys.empty()) {
        place.erase(resource.owner);
    }
    if (!by_owner_.contains(resource.owner)) {
        dependents_.erase(resource.owner);
    }
}

namespace {

const std::vector<Key> kNone;

const std::vector<Key>& keys_of(const auto& place, const std::string& owner) {
    const auto found = place.find(owner);
    return found == place.end() ? kNone : found->second;
}

}  // namespace

const std::vector<Key>& DesiredIndex::of(const std::string& owner) const {
    return keys_of(by_owner_, owner);
}

const std::vector<Key>& DesiredIndex::of_channel(std::string_view channel, const std::string& owner) const {
    const auto found = by_channel_.find(channel);
    return found == by_channel_.end() ? kNone : keys_of(found->second, owner);
}

std::vector<Key> DesiredIndex::of_channel(std::string_view channel) const {
    std::vector<Key> all;
    if (const auto found = by_channel_.find(channel); found != by_channel_.end()) {
        for (const auto& [owner, keys] : found->second) {
            all.insert(all.end(), keys.begin(), keys.end());
        }
    }
    return all;
}

Scope DesiredIndex::closed(Scope scope) const {
    std::vector<std::string> open(scope.owners.begin(), scope.owners.end());
    while (!open.empty()) {
        const auto found = dependents_.find(open.back());
        open.pop_back();
        for (const std::string& owner :
             found == dependents_.end() ? std::set<std::string>() : found->second) {
            if (scope.owners.insert(owner).second) {
                open.push_back(owner);
            }
        }
    }
    return scope;
}

State DesiredIndex::part(const State& desired, const Scope& scope) const {
    std::vector<Key> open;
    const auto take = [&](const std::vector<Key>& keys) {
        open.insert(open.end(), keys.begin(), keys.end());
    };
    for (const std::string& owner : scope.owners) {
        take(of(owner));
    }
    for (const std::string_view channel : scope.channels) {
        take(of_channel(channel));
    }
    for (const std::string_view channel : scope.in_channels) {
        take(of_channel(channel, ""));  // shared resources exist while anybody wants them
        for (const std::string& owner : scope.owners) {
            take(of_channel(channel, owner));
        }
    }
    State part;
    part.left_out = desired.left_out;
    for (std::size_t at = 0; at < open.size();) {
        const Resource* wanted = desired.find(open[at++]);
        if (wanted == nullptr || !scope.covers(*wanted->key.kind) || part.find(wanted->key) != nullptr) {
            continue;
        }
        part.add(*wanted);
        take(wanted->depends_on);
    }
    return part;
}

bool same(const Resource& before, const Resource& after) {
    return before.owner == after.owner && before.depends_on == after.depends_on &&
           before.exclusive_names == after.exclusive_names && plan::compare(after, before).empty();
}

Scope changed_scope(const State& before, const State& after) {
    Scope scope = Scope::nothing();
    const auto add = [&](const Resource& resource) {
        if (resource.owner.empty()) {
            scope.add(*resource.key.kind, "");
        } else {
            scope.add_own(*resource.key.kind, resource.owner);
        }
    };
    for (const Resource& wanted : after.all()) {
        const Resource* old = before.find(wanted.key);
        if (old == nullptr || !same(*old, wanted)) {
            add(wanted);
        }
    }
    for (const Resource& old : before.all()) {
        if (after.find(old.key) == nullptr) {
            add(old);
            scope.all |= old.owner.empty() && old.key.kind->channel.empty();
        }
    }
    return scope;
}

}  // namespace partd
