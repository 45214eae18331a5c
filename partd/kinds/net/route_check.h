// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/interfaces.h"
#include "kinds/net/route.h"

#include <optional>
#include <vector>

namespace partd {

// A declared route as the kernel would show it; nullopt after reporting why it would refuse it. `interfaces`
// are those of its partition's network namespace.
std::optional<Route> normal_route(const Declared& declared, const DeclaredObject& object,
                                  const std::vector<Interface>& interfaces, Diagnostics& problems);

}  // namespace partd
