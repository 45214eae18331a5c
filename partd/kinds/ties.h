// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"
#include "model/ties.h"

namespace partd {

// The owners that have to do with each other though neither may name the other: a link stands on another's
// end on the host, a forward listens at another's address, both have users of the host by number. All of them
// where somebody reaches "any", for whom the host routes to everybody.
Ties ties_between(const Declared& declared);

}  // namespace partd
