#include "reconcile/parts.h"

#include "plan/diff.h"

#include <algorithm>

namespace partd {

Parts::Parts(const State& desired) {
    for (const Resource& resource : desired.all()) {
        const std::string_view channel = resource.key.kind->channel;
        (channel.empty() ? by_owner_[resource.owner] : by_channel_[channel]).push_back(resource.key);
        for (const Key& need : resource.needs) {
            const Resource* needed = desired.find(need);
            if (needed != nullptr && needed->owner != resource.owner && !needed->owner.empty()) {
                dependents_[needed->owner].insert(resource.owner);
            }
        }
    }
}

namespace {
const std::vector<Key> kNone;
}  // namespace

const std::vector<Key>& Parts::of_channel(std::string_view channel) const {
    const auto found = by_channel_.find(channel);
    return found == by_channel_.end() ? kNone : found->second;
}

const std::vector<Key>& Parts::of(const std::string& owner) const {
    const auto found = by_owner_.find(owner);
    return found == by_owner_.end() ? kNone : found->second;
}

Scope Parts::closed(Scope scope) const {
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

State Parts::part(const State& desired, const Scope& scope) const {
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
    State part;
    for (std::size_t at = 0; at < open.size();) {
        const Resource* wanted = desired.find(open[at++]);
        if (wanted == nullptr || !scope.covers(*wanted->key.kind) || part.find(wanted->key) != nullptr) {
            continue;
        }
        part.add(*wanted);
        take(wanted->needs);
    }
    return part;
}

bool same(const Resource& before, const Resource& after) {
    return before.owner == after.owner && before.needs == after.needs && before.claims == after.claims &&
           plan::compare(after, before).empty();
}

Scope changed_scope(const State& before, const State& after) {
    Scope scope = Scope::nothing();
    for (const Resource& wanted : after.all()) {
        const Resource* old = before.find(wanted.key);
        if (old == nullptr || !same(*old, wanted)) {
            scope.add(*wanted.key.kind, wanted.owner);
        }
    }
    for (const Resource& old : before.all()) {
        if (after.find(old.key) == nullptr) {
            scope.add(*old.key.kind, old.owner);
            scope.all |= old.owner.empty() && old.key.kind->channel.empty();
        }
    }
    return scope;
}

}  // namespace partd
