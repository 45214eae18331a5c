// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/netlink/netlink.h"
#include "kernel/nft/foreign_rules.h"

#include <span>

namespace partd::kernel::nft {

// The terms of a rule out of its list of expressions (NFTA_RULE_EXPRESSIONS).
ForeignRule read_terms(std::span<const std::uint8_t> list);
// A verdict (NFTA_DATA_VERDICT); Return for what ends nothing.
Ends read_verdict(const Attributes& verdict);
// Calls `each` with the attributes of every member of a list of one type.
void for_members(std::span<const std::uint8_t> list, const std::function<void(const Attributes&)>& each);

}  // namespace partd::kernel::nft
