// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

#include <set>

namespace partd {

// The elements that say that a host's end of a link is one, and to whom it leads where no file says that
// (policy/reach.h): stands before the link goes up.
extern const LiveKind kGate;

// The partitions whose hosts may open connections through the host, or others to them.
std::set<std::string> partitions_through_host(const Declared& declared);

}  // namespace partd
