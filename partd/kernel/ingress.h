#pragma once

#include "kernel/netlink.h"

#include <vector>

namespace partd::kernel {

// A filter on what a link receives, before any other part of the host sees it (tc(8), clsact): it drops IPv4
// packets from and to 127.0.0.0/8. No flush of nftables takes it along; it goes with its link.

// True when the link with that index has it.
Result<bool> has_loopback_filter(NetlinkSocket& socket, int index);
// The requests that give it to the link, in order; the first one may have been carried out before.
std::vector<Message> add_loopback_filter(int index);
// The request that takes it off.
Message remove_loopback_filter(int index);

}  // namespace partd::kernel
