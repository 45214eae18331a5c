// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/link.h"

namespace partd {

// Finds the links in the namespaces of the look and on the host: by the identities in the ledger, and by the
// marks of their ends.
Result<> observe_links(Observation& observation);

// Lets a partial look see only those of the host's interfaces that may be ends of its links.
Result<> limit_view(Observation& observation);

// Makes, changes or removes a link (rtnetlink(7)).
Result<> apply_link(ApplyContext& context, const Change& change, std::size_t number);

// Makes the link in a namespace that nobody sees: a kernel that lacks its type, or an attribute, says so
// before the link that has its place is removed. ENODEV when its lower link is not there.
Result<> rehearse_link(Stage& stage, const Change& creation);

}  // namespace partd
