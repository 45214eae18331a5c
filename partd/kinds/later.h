// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// The parts of the language that are known but not built yet: refused by name.
extern const LiveKind kLater;

}  // namespace partd
