// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

#include <set>

namespace partd {

// The elements that say to whom a host's end of a link leads: stands before the link goes up.
extern const LiveKind kGate;

// The partitions whose hosts may open connections through the host, or others to them.
std::set<std::string> partitions_through_host(const Declared& declared);

}  // namespace partd
