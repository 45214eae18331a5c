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

// A desired state by owner, so that a part of it is taken without walking the whole.
class DesiredIndex {
public:
    DesiredIndex() = default;
    explicit DesiredIndex(const State& desired);

    // One that `desired` has now, or has not for much longer.
    void add(const Resource& resource, const State& desired);
    void remove(const Resource& resource);

    // What that owner wants, but for kinds with a channel.
    [[nodiscard]] const std::vector<Key>& of(const std::string& owner) const;
    // What kinds with that channel want: all of it, or one owner's.
    [[nodiscard]] std::vector<Key> of_channel(std::string_view channel) const;
    [[nodiscard]] const std::vector<Key>& of_channel(std::string_view channel,
                                                     const std::string& owner) const;
    // All of them; "" is among them where several share something.
    [[nodiscard]] auto owners() const { return std::views::keys(by_owner_); }
    // The scope with everyone whose objects stand on those of it.
    [[nodiscard]] Scope closed(Scope scope) const;
    // The resources of the scope and what they need, as a state of its own.
    [[nodiscard]] State part(const State& desired, const Scope& scope) const;

private:
    using ByOwner = std::map<std::string, std::vector<Key>, std::less<>>;

    ByOwner& place_of(const Resource& resource);

    ByOwner by_owner_;
    std::map<std::string_view, ByOwner> by_channel_;
    std::map<std::string, std::set<std::string>> dependents_;
};

// Whether the second wants nothing but what the first wanted; what it leaves open may have been anything.
bool same(const Resource& before, const Resource& after);

// Whose objects the two want differently; everything when what several share is not wanted any more.
Scope changed_scope(const State& before, const State& after);

}  // namespace partd
