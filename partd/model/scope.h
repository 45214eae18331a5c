// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/kind.h"

#include <set>
#include <string>
#include <string_view>

namespace partd {

// What of a host is looked at: everything, or what belongs to some partitions and slices. Kinds that share a
// channel live in one object of the kernel's, which tells of a change and not whose it is: they are looked at
// together, whoever owns them; or, where it is known whose they are, just what the owners have there; or not
// at all.
struct Scope {
    bool all = true;
    std::set<std::string> owners = {};  // "" stands for what several share
    std::set<std::string_view> channels = {};
    std::set<std::string_view> in_channels = {};  // what `owners` have in these

    static Scope nothing() { return {.all = false}; }

    [[nodiscard]] bool empty() const { return !all && owners.empty() && channels.empty(); }
    // Whether anything of that kind is looked at.
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
