// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "kernel/host.h"
#include "model/resource.h"

namespace partd {

// What of the declared root directories, mounts and programs is not on this host now, or is in the way, as
// far as one can look without changing anything.
void inspect_roots(const kernel::Paths& paths, const State& desired, Diagnostics& problems);

}  // namespace partd
