// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/link/link.h"

namespace partd {

// A named network namespace; its loopback interface is up and carries the mark.
struct NetworkNamespace {
    std::string name;
    bool lo_up = true;
    std::string mark;
    std::string owner = "host";  // whose user namespace owns it
    bool pinned = true;
    std::string loopback = std::string(kAllRoutes);  // the kernel's addresses and routes of lo
    bool operator==(const NetworkNamespace&) const = default;
    static const Table table;
};

extern const LiveKind kNetns;

// The key of a partition's network namespace.
Key netns_key(const std::string& partition);

}  // namespace partd
