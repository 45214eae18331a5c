// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compares a host with a document, by ip, nft and the kernel's files. Nothing of partd's own is asked.

#include "../kernel/support/sandbox.h"
#include "host.h"

#include <set>
#include <string>
#include <vector>

namespace partd::test {

struct Doubt {
    /// The ledger was damaged: what a value was before, nobody knows any more.
    bool former_values = false;
};

/// A sentence for each thing that is otherwise than declared, or made by partd and not declared.
std::vector<std::string> differences(const Host& wanted, Sandbox& sandbox, const Doubt& doubt);

/// As differences(), for the table inet partd alone. `made_up`: the host ends' names chosen by partd, by
/// partition.
std::vector<std::string> nftables_differences(const Host& wanted,
                                              const std::map<std::string, std::string>& made_up);

/// Differences of two sets of lines, as "+ …" (too much) and "- …" (missing).
void compare(const std::string& topic, const std::set<std::string>& wanted,
             const std::set<std::string>& found, std::vector<std::string>& differences);

}  // namespace partd::test
