// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/scope.h"
#include "reconcile/desired_index.h"
#include "reconcile/load.h"

#include <optional>
#include <vector>

namespace partd {

// Takes over what a few files say that were edited, came or went, without compiling all the others; returns
// what is wanted differently. Only where it can be told from these files alone: they declare partitions that
// no other file mentions, what differs is of independent kinds, and what they share with others is shared
// the same way by another file. nullopt, and nothing is taken over, when the whole has to be compiled.
// `parts` are those of `desired`.
std::optional<Scope> take_edit(Desired& desired, DesiredIndex& parts, std::vector<TextFile> files);

}  // namespace partd
