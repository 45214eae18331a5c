// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verbs/verbs.h"

namespace partd::verbs {

// status --layers: what partitions wrote over their roots, also those that are gone.
Answer list_layers(Engine& engine, const Request& request);

}  // namespace partd::verbs
