// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/plan.h"

#include <string>

namespace partd::verbs {

// The plan as text for people: limits as files write them, and one line for the table of the host.
std::string lines_of(Plan plan, bool color);
// One of those lines.
std::string line_of(const Change& change);

// For a host without a file yet.
inline constexpr char kNoFiles[] =
    "no file declares anything yet: put one into /etc/partd; partd.toml(5) has the language, and "
    "share/doc/partd/examples has files to begin with";

}  // namespace partd::verbs
