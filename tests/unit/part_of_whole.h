// SPDX-License-Identifier: Apache-2.0
#pragma once
// Each group of a document compiled alone, beside the whole.

#include "config/relations.h"
#include "kinds/kinds.h"
#include "kinds/ties.h"
#include "reconcile/load.h"
#include "state_lines.h"

#include <string>
#include <vector>

namespace partd::test {

// The resources of these owners. Needs that phases add come in the order of all owners' resources: here they
// are sorted.
inline State owned_by(const State& state, const std::set<std::string>& owners) {
    State owned;
    for (const Resource& resource : state.all()) {
        if (!resource.owner.empty() && owners.contains(resource.owner)) {
            Resource& added = owned.add(resource);
            std::ranges::sort(added.depends_on, {}, &Key::text);
        }
    }
    return owned;
}

inline std::vector<config::Related> related(const std::vector<TextFile>& files) {
    const auto whole = load_files(files);
    return config::related_owners(files, pure_kinds(), ties_between(whole->compiled.declared));
}

// A difference between a group compiled alone and the same owners in the whole; "" for none.
inline std::string unlike_whole(const std::vector<TextFile>& files) {
    const auto whole = load_files(files);
    const auto groups = related(files);
    const auto common =
        std::ranges::find_if(groups, [](const auto& each) { return each.owners.contains(""); });
    for (const config::Related& group : groups) {
        std::vector<TextFile> some;
        std::ranges::copy_if(files, std::back_inserter(some), [&](const TextFile& file) {
            return group.files.contains(file.path) || common->files.contains(file.path);
        });
        const auto part = load_files(some);
        if (group.needs_all || !whole->good()) {
            continue;
        }
        if (!part->good()) {
            return part->problems.front().at.prefix() + part->problems.front().message;
        }
        const State wanted = owned_by(whole->compiled.desired, group.owners);
        const State found = owned_by(part->compiled.desired, group.owners);
        const auto names = unlike(wanted, found);
        if (!names.empty() || lines_of(wanted) != lines_of(found)) {
            return *group.owners.rbegin() + ": " + (names.empty() ? "their lines" : names.front());
        }
    }
    return {};
}

}  // namespace partd::test
