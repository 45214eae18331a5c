// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/interfaces.h"

#include <map>
#include <string>
#include <vector>

namespace partd::nat {

// A network of a partition.
struct OwnPrefix {
    Prefix prefix;
    std::string back;  // the host's interface by which one gets there; "" for none
};

// The networks of a partition that lead to the host; all of its networks when none does. `interfaces` are
// those of interfaces_by_netns().
std::vector<OwnPrefix> own_prefixes(const std::map<std::string, std::vector<Interface>>& interfaces,
                                    const std::string& partition);

}  // namespace partd::nat
