// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/kind.h"

#include <set>
#include <string>
#include <string_view>

namespace partd {

// The part of a host that is observed: all of it, or the resources of some partitions and slices. Kinds with
// the same channel live in one kernel object, whose change events do not name the owner. They are observed
// together for all owners (`channels`), or, where the owners are known, for these alone (`in_channels`), or
// not at all.
struct Scope {
    bool all = true;
    std::set<std::string> owners = {};  // "" stands for what several share
    std::set<std::string_view> channels = {};
    std::set<std::string_view> in_channels = {};  // in these only the resources of `owners`

    static Scope nothing() { return {.all = false}; }

    [[nodiscard]] bool empty() const { return !all && owners.empty() && channels.empty(); }
    // True if any resource of that kind is observed.
    [[nodiscard]] bool covers(const Kind& kind) const {
        return all || channels.contains(kind.channel) ||
               (!owners.empty() && (kind.channel.empty() || in_channels.contains(kind.channel)));
    }
    [[nodiscard]] bool covers(const Kind& kind, const std::string& owner) const {
        return covers(kind) && (all || channels.contains(kind.channel) || owners.contains(owner));
    }
    void add(const Kind& kind, const std::string& owner) {
        if (kind.channel.empty()) {
            owners.insert(owner);
        } else {
            channels.insert(kind.channel);
        }
    }
    // Of a kind with a channel, what that owner has alone.
    void add_own(const Kind& kind, const std::string& owner) {
        owners.insert(owner);
        if (!kind.channel.empty()) {
            in_channels.insert(kind.channel);
        }
    }
    void add(const Scope& other) {
        all |= other.all;
        owners.insert(other.owners.begin(), other.owners.end());
        channels.insert(other.channels.begin(), other.channels.end());
        in_channels.insert(other.in_channels.begin(), other.in_channels.end());
    }
};

}  // namespace partd
