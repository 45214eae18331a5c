// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"
#include "model/resource.h"

#include <set>
#include <string>

namespace partd {

// The declared partitions that are not to run: those with enabled = false, those of `by_hand`, and all that
// share namespaces with one of them.
std::set<std::string> stopped_partitions(const Declared& declared, const std::set<std::string>& by_hand);

// Takes the resources of these owners out, and those of others that need one of them. Layers stay: they are
// the user's data, and purge has to find them declared.
void drop_owners(State& desired, const std::set<std::string>& owners);

}  // namespace partd
