// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/nat/nat.h"

namespace partd {

// A port of the host that leads into a partition: "web tcp/8080". Adds also what it needs for the host's own
// 127.0.0.1, or reports why it can lead nowhere.
extern const LiveKind kForward;

}  // namespace partd
