// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verbs/verbs.h"

namespace partd::verbs {

// Makes a partition that was stopped as declared again.
Answer start(Engine& engine, const Request& request);
// Removes all of a declared partition but its layer, and keeps it so.
Answer stop(Engine& engine, const Request& request);

}  // namespace partd::verbs
