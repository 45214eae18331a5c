// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verbs/summary.h"

#include <string>
#include <vector>

namespace partd::verbs {

// The table of `status`, a line each: in 80 columns, or `full`.
std::string status_lines(const std::vector<Summary>& all, const Request& request);

// The state in its color, where colors are wanted.
std::string state_text(const std::string& state, bool color);
// "masquerade, 2 forwards"; "-" for none.
std::string nat_text(const Summary& summary);
// "12.3M"; "-" where nobody accounts it.
std::string memory_text(const Summary& summary);
// "10.1.1.1/24, fd00:1::1/64"; "-" for none.
std::string addresses_text(const std::vector<Address>& addresses);

}  // namespace partd::verbs
