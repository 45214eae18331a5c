#pragma once

#include "base/error.h"

#include <set>
#include <string>
#include <vector>

namespace partd::kernel::nft {

// A chain of some table that sees every packet which the host forwards (hook forward of the families ip, ip6
// and inet).
struct ForwardChain {
    std::string family;  // "ip"
    std::string table;
    std::string name;
    bool policy_drops = false;
    bool last_rule_drops = false;  // its last rule drops or rejects whatever comes so far
    // The names of interfaces, or their beginnings, by which rules of the table choose what they accept.
    std::set<std::string> accepted;
};

// Those of the caller's network namespace.
Result<std::vector<ForwardChain>> forward_chains();

}  // namespace partd::kernel::nft
