// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// Finds the links by the marks of their ends, in the namespaces of the look and on the host.
Result<> observe_links(Observation& observation);

}  // namespace partd
