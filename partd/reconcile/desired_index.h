// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/resource.h"
#include "model/scope.h"

#include <map>
#include <ranges>
#include <set>
#include <string>
#include <vector>

namespace partd {

// A desired state by owner, to take a part of it without walking the whole.
class DesiredIndex {
public:
    DesiredIndex() = default;
    explicit DesiredIndex(const State& desired);

    // add: `resource` is in `desired`; remove: it is about to be erased from it.
    void add(const Resource& resource, const State& desired);
    void remove(const Resource& resource);

    // The resources of that owner, except those of kinds with a channel.
    [[nodiscard]] const std::vector<Key>& of(const std::string& owner) const;
    // The resources of kinds with that channel: all of them, or one owner's.
    [[nodiscard]] std::vector<Key> of_channel(std::string_view channel) const;
    [[nodiscard]] const std::vector<Key>& of_channel(std::string_view channel,
                                                     const std::string& owner) const;
    // All owners, "" included if there are shared resources.
    [[nodiscard]] auto owners() const { return std::views::keys(by_owner_); }
    // The scope with all owners whose resources depend on those in it.
    [[nodiscard]] Scope closed(Scope scope) const;
    // The resources of the scope and their dependencies, as a state of its own.
    [[nodiscard]] State part(const State& desired, const Scope& scope) const;

private:
    using ByOwner = std::map<std::string, std::vector<Key>, std::less<>>;

    ByOwner& place_of(const Resource& resource);

    ByOwner by_owner_;
    std::map<std::string_view, ByOwner> by_channel_;
    std::map<std::string, std::set<std::string>> dependents_;
};

// True if a host that satisfies `before` satisfies `after`; fields that `after` leaves unset are ignored.
bool same(const Resource& before, const Resource& after);

// The scope of differences between the two; everything if a shared resource is not wanted any more.
Scope changed_scope(const State& before, const State& after);

}  // namespace partd
