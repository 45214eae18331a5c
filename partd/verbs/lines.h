// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/plan.h"

#include <string>

namespace partd::verbs {

// The plan as text for people: limits as files write them, and one line for the table of the host.
std::string lines_of(Plan plan, bool color);
// One of those lines.
std::string line_of(const Change& change);

}  // namespace partd::verbs
