// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/sysctl/sysctl.h"

namespace partd {

// The switches that make the host a router (kForwarding4, kForwarding6), and the links that they concern.

// One of these. It stays on when nobody needs it any more: others may have come to rely on it.
bool stays_on(const Sysctl& sysctl);

// True if the ledger says that the parameter was 0 before partd, so partd turned it on. nullopt without a
// record.
std::optional<bool> was_off(const LedgerEntry* entry);

// Returns `found` with the names of the links that do not follow the switch. If somebody else turned IPv6
// forwarding on (`by_others`), uplinks are left as they are and not listed.
Result<Sysctl> with_links(kernel::Host& host, Sysctl found, bool by_others);

// Has uplinks go on learning, from before the switch is turned on or since they have come, and partd's own
// links forward.
Result<> bring_links_along(ApplyContext& context, const Change& change);

// Adds the topics of events about the switch and its links.
void watch_switch(const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics);

}  // namespace partd
