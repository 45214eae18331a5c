#pragma once

#include "kinds/topology.h"

#include <vector>

namespace partd {

// Reports addresses that no interface can have, and those that are in each other's way.
void check_addresses(const Declared& declared, const std::vector<Interface>& interfaces,
                     Diagnostics& problems);

}  // namespace partd
