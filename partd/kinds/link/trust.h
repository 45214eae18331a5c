// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/netns.h"
#include "kinds/kinds.h"
#include "kinds/link/type.h"

namespace partd {

// Says of each end of a declared link what it takes from the other one.
//
// The owner of one end must not change the routes of the other end's owner: ends on the host and of links
// between partitions accept no router advertisements, redirects or source routes. An end whose files set such
// a sysctl themselves is left alone.
//
// Addresses of IPv6 need no probing where both ends are partd's: nobody else is on the link who could have
// one of them. A generated link-local address would be probed for up to two seconds, in which a router finds
// no neighbour. Again the ends of which the files declare the switch are left to them.
void decide_trust(const Declared& declared, const DeclaredObject& link, std::vector<LinkEnd>& ends);

// The part of it that a request can ask for: the switches of IPv4. Of a host's end also that sources are
// looked up (rp_filter, which holds when nothing else does any more), and that it gets no address but those
// that partd gives it: a generated one would cost a walk over all IPv6 routes each, and be probed for a
// second before the host could use it.
kernel::Message distrust_request(int index, const LinkEnd& end);

// The part that has no request, in the end's own namespace: the switches of IPv6 that it wants off, probing
// among them. ENOENT is success: IPv6 is off, or the link is gone.
Result<> switch_off_ipv6(const kernel::Netns& netns, const LinkEnd& end);

}  // namespace partd
