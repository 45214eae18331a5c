#pragma once

#include "model/scope.h"
#include "reconcile/desired.h"
#include "reconcile/parts.h"

#include <optional>
#include <vector>

namespace partd {

// What an edit changed.
struct Edit {
    Scope changed = Scope::nothing();  // whose objects are wanted differently
    bool reshaped = false;             // objects came or went, or need others now
};

// Takes an edit of a few files over without compiling all the others. Only where it can be told from these
// files alone: they declare partitions that no other file mentions, and what differs is of kinds that are
// apart. nullopt, and nothing is taken over, when the whole has to be compiled. `parts` are those of
// `desired`.
std::optional<Edit> take_edit(Desired& desired, const Parts& parts, std::vector<TextFile> files);

}  // namespace partd
