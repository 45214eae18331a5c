// SPDX-License-Identifier: Apache-2.0
#pragma once
// Scenarios: the configuration files of a host before and after one apply.

#include <map>
#include <string>
#include <vector>

namespace partd::fault {

using Files = std::map<std::string, std::string>;  ///< name in /etc/partd → text

struct Scenario {
    std::string name;     ///< "create lightvm"
    std::string example;  ///< "lightvm"
    Files before;
    Files after;
    bool by_daemon = false;  ///< by partd, which is asked for it by partctl
};

/// Each example made, edited, removed, and replaced by the next one; by partctl, and made by partd.
std::vector<Scenario> all_scenarios();

}  // namespace partd::fault
