// SPDX-License-Identifier: Apache-2.0
#pragma once
// All that a desired state says, in lines that can be compared; of what several share, any of the places is
// right.

#include "reconcile/desired_index.h"

#include <algorithm>
#include <string>
#include <vector>

namespace partd::test {

inline std::vector<std::string> lines_of(const State& state) {
    std::vector<std::string> lines;
    for (const Resource& resource : state.all()) {
        std::string line = resource.key.text() + " of " + resource.owner;
        line += resource.owner.empty() ? "" : " at " + resource.source.text();
        for (std::size_t i = 0; i < resource.spec.table().fields.size(); ++i) {
            const Field& field = resource.spec.table().fields[i];
            const Source* place = resource.places.of(i);
            if (field.text == nullptr) {
                continue;
            }
            line += " " + field.text(resource.spec.data()) + (place == nullptr ? "" : "@" + place->text());
        }
        for (const Key& need : resource.depends_on) {
            line += " needs " + need.text();
        }
        lines.push_back(line);
    }
    std::ranges::sort(lines);
    return lines;
}

inline std::vector<std::string> lines_of(const DesiredIndex& parts) {
    std::vector<std::string> lines;
    const auto add = [&](const std::string& of, const std::vector<Key>& keys) {
        for (const Key& key : keys) {
            lines.push_back(of + " wants " + key.text());
        }
    };
    for (const std::string& owner : parts.owners()) {
        add("\"" + owner + "\"", parts.of(owner));
        add("\"" + owner + "\" in the channel", parts.of_channel("nftables", owner));
        for (const std::string& other : parts.closed({.all = false, .owners = {owner}}).owners) {
            lines.push_back(other + " stands on " + owner);
        }
    }
    add("a channel", parts.of_channel("nftables"));
    std::ranges::sort(lines);
    return lines;
}

// Names of resources that are missing or differ in the other state, also in members that no field shows.
inline std::vector<std::string> unlike(const State& one, const State& other) {
    std::vector<std::string> names;
    for (const Resource& resource : one.all()) {
        const Resource* found = other.find(resource.key);
        if (found == nullptr || found->spec != resource.spec ||
            found->contained_in != resource.contained_in ||
            found->exclusive_names != resource.exclusive_names) {
            names.push_back(resource.key.text());
        }
    }
    return names;
}

}  // namespace partd::test
