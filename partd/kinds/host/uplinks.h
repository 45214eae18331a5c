// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/host.h"

#include <string>
#include <vector>

namespace partd {

// Links of others that accept router advertisements as hosts do (accept_ra = 1), by name, sorted. With IPv6
// forwarding the kernel takes those for a router's and drops what they learnt, unless accept_ra is 2
// (Documentation/networking/ip-sysctl.rst). `forwarding` tells that the switch is on already; before it is,
// a link that forwards by itself takes no advertisement either, and does not count.
Result<std::vector<std::string>> deaf_uplinks(kernel::Host& host, bool forwarding);

// Has each of these links take advertisements also while the host forwards, and asks for one where the link
// is up: the kernel does so only when a link comes up. A link that is gone meanwhile, or that was told
// something else, is left alone.
Result<> keep_learning(const std::vector<std::string>& links);

// partd's own links on the host that take packets and forward none, although the host does (IPv4 has a switch
// for each link, by which packets come in; Documentation/networking/ip-sysctl.rst). By name.
Result<std::vector<std::string>> stalled_links(kernel::Host& host);
// Has each of them forward; one that is gone meanwhile is left alone.
Result<> let_forward(const std::vector<std::string>& links);

// Links of others that forward IPv4 by their own switch, by name, sorted.
Result<std::vector<std::string>> forwarding_links(kernel::Host& host);

}  // namespace partd
