#pragma once

#include "model/kind.h"

#include <set>
#include <string>
#include <string_view>

namespace partd {

// What of a host is looked at: everything, or what belongs to some partitions and slices. Kinds that share a
// channel live in one object of the kernel's: they are looked at together, whoever owns them, or not at all.
struct Scope {
    bool all = true;
    std::set<std::string> owners = {};  // "" stands for what several share
    std::set<std::string_view> channels = {};

    static Scope nothing() { return {.all = false}; }

    [[nodiscard]] bool empty() const { return !all && owners.empty() && channels.empty(); }
    // Whether anything of that kind is looked at.
    [[nodiscard]] bool covers(const Kind& kind) const {
        return all || (kind.channel.empty() ? !owners.empty() : channels.contains(kind.channel));
    }
    [[nodiscard]] bool covers(const Kind& kind, const std::string& owner) const {
        return covers(kind) && (all || !kind.channel.empty() || owners.contains(owner));
    }
    void add(const Kind& kind, const std::string& owner) {
        if (kind.channel.empty()) {
            owners.insert(owner);
        } else {
            channels.insert(kind.channel);
        }
    }
    void add(const Scope& other) {
        all |= other.all;
        owners.insert(other.owners.begin(), other.owners.end());
        channels.insert(other.channels.begin(), other.channels.end());
    }
};

}  // namespace partd
