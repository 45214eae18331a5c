// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// To whom a partition may open connections, and who may open some to it: a resource for each entry of its
// `reach` and `admit`, and of a list of packets for each of them: "web → 10.0.0.0/8 tcp/443", "web ←
// outside". An entry that says nothing that one before it has not said is none (doctor/policy_cautions.cpp
// tells).
extern const LiveKind kReaches;
extern const LiveKind kAdmits;

}  // namespace partd
