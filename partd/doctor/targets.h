// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "doctor/cautions.h"

namespace partd {

// Cautions about addresses that a declaration sends packets to, and that nobody has: targets of forwards and
// gateways of routes. Told only of a link between two ends, where nobody else can be.
void look_at_targets(const Declared& declared, std::vector<Caution>& all);

}  // namespace partd
