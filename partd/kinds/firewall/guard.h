// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/told.h"

namespace partd {

// The host forwards for partitions, and for nobody else because of that: where partd turned forwarding on,
// new connections that come in by an uplink and concern no partition are dropped (firewall/rules_policy.cpp,
// "strangers"). Where somebody else wants the host to forward, they pass.
struct Guard {
    bool manual = false;  // forwarding is the administrator's own matter
    Told open;            // that is to be guarded and is not: families, "uplink br0"
    Told shut;            // that is guarded and need not be: families, former uplinks
    bool operator==(const Guard&) const = default;
    static const Table table;
};

extern const LiveKind kGuard;

Key guard_key();

}  // namespace partd
