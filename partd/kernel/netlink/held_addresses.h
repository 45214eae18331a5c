// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"
#include "kernel/netlink/netlink.h"

#include <cstdint>
#include <vector>

namespace partd::kernel {

// An address of an interface of the namespace (RTM_GETADDR).
struct HeldAddress {
    Ip ip;
    int interface = 0;  // its index
};
Result<std::vector<HeldAddress>> held_addresses(NetlinkSocket& routes);

// True when packets to that address end in this namespace, be it an interface's or a local route's.
bool is_local(NetlinkSocket& routes, const Ip& address);

}  // namespace partd::kernel
