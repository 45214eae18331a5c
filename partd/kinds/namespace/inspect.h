// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "kernel/host.h"
#include "model/resource.h"

namespace partd {

// Reports declared root directories, mounts and programs that are missing on this host, or obstructed, as far
// as can be seen without changing anything.
void inspect_roots(const kernel::Paths& paths, const State& desired, Diagnostics& problems);

}  // namespace partd
