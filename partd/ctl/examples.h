// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace partd::ctl {

// The end of a verb's help: two or three command lines, each with what it is for. "" for a verb that nobody
// types. A test runs each line.
std::string examples_of(std::string_view verb);

}  // namespace partd::ctl
