// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"
#include "kernel/netlink/netlink.h"

#include <cstdint>
#include <optional>

namespace partd::kernel {

// The largest packet on the way to that address, by the namespace's routes for packets with that mark: the
// route's own, or its interface's. nullopt where there is no way.
std::optional<std::int64_t> path_mtu(NetlinkSocket& routes, const Ip& address, std::uint32_t mark);

}  // namespace partd::kernel
