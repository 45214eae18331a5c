// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text_file.h"
#include "model/kind.h"
#include "model/ties.h"

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
    bool needs_all = false;             // only all files tell: a template counts one among others ({index})
    bool operator==(const Related&) const = default;
};

// The owners of a document without mistakes, in groups: one has to do with another when its name occurs in
// one of that one's values, or by a tie.
std::vector<Related> related_owners(std::span<const TextFile> files, Kinds kinds, const Ties& ties);

}  // namespace partd::config
