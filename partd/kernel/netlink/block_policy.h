// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/netlink/netlink.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// A policy of the host's that blocks packets of one family that still have kUnjudged in their mark
// (kernel/netlink/ingress.h): those that go to the host itself, or those that go through it. It is one of
// IPsec's (ip-xfrm(8)), which are asked where a packet is delivered or forwarded, whatever became of
// nftables.
struct BlockPolicy {
    std::string_view name;
    bool v6;
    bool through;  // the host, not to it
};
inline constexpr std::array<BlockPolicy, 4> kBlockPolicies = {{{"IPv4 in", false, false},
                                                               {"IPv4 through", false, true},
                                                               {"IPv6 in", true, false},
                                                               {"IPv6 through", true, true}}};

// The names of those that stand. `socket` is one of NETLINK_XFRM.
Result<std::vector<std::string>> standing_policies(NetlinkSocket& socket);
Message add_policy(const BlockPolicy& policy);
Message remove_policy(const BlockPolicy& policy);

}  // namespace partd::kernel
