// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/value.h"
#include "model/plan.h"

#include <string>

namespace partd::plan {

// A line a change, with file and line. With `Lines::Folded`, as `partctl diff` prints it, the host's table
// and what comes with it have one line where the table is made or removed.
enum class Lines : std::uint8_t { Each, Folded };
std::string render(const Plan& plan, bool color, Lines lines = Lines::Each);
// The number of changes that have no line of their own then.
std::size_t folded(const Plan& plan);
// One of those lines without colors and without its end.
std::string render_line(const Change& change);
// The plan as data: {"changes": […], "conflicts": […], "blocked": […]}.
Value to_value(const Plan& plan);
// "3 to create, 1 to change, 2 to remove"; "nothing to do". It counts the folded lines.
std::string summary(const Plan& plan);

// SGR sequences around text, when wanted (ECMA-48).
enum class Color : std::uint8_t { Red = 31, Green = 32, Yellow = 33, Magenta = 35, Grey = 90 };
std::string painted(std::string text, Color color, bool wanted);

}  // namespace partd::plan
