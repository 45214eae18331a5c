// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text_file.h"
#include "model/kind.h"

#include <set>
#include <span>
#include <string>
#include <vector>

namespace partd::config {

// Partitions and slices that have to do with each other: they are compiled from these files, and those of the
// group of "", as from all files.
struct Related {
    std::set<std::string> owners = {};  // "" for what belongs to none
    std::set<std::string> files = {};   // where their values were written, those of their templates too
    // Only all files tell: a template counts one among others ({index}), a value has the name of an end on
    // the host that cannot be told whose it is, or somebody reaches "any", for whom the host routes to all.
    bool needs_all = false;
    bool operator==(const Related&) const = default;
};

// The owners of a document without mistakes, in groups: one mentions another when its name, or that of an
// interface of its on the host, occurs in one of its values; when a forward listens at its address; when both
// have users of the host by number.
std::vector<Related> related_owners(std::span<const TextFile> files, Kinds kinds);

}  // namespace partd::config
