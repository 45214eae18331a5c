// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/told.h"

namespace partd {

// Policies that close the host when the table is gone: the host's ends of links mark what they receive as not
// judged yet, the table's first rule takes that mark off, and whatever still has it is blocked.
struct Backstop {
    Told policies;  // that stand (kernel/netlink/block_policy.h)
    bool operator==(const Backstop&) const = default;
    static const Table table;
};

extern const LiveKind kBackstop;

}  // namespace partd
