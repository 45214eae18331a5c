// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/interfaces.h"

#include <vector>

namespace partd {

// Reports addresses that no interface can have, and those that are in each other's way.
void check_addresses(const std::vector<Interface>& interfaces, Diagnostics& problems);

}  // namespace partd
