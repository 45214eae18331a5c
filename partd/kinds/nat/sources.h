// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// Sources that get another address on the host, one resource a partition: the address of the interface by
// which they leave, and one of choice.
extern const LiveKind kMasquerade;
extern const LiveKind kSnat;

}  // namespace partd
