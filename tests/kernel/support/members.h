// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "traffic.h"

#include <string>
#include <vector>

namespace partd::test {

/// A partition with a link to the host under `name`0, 10.N.1.1 and fd00:N::1 inside, and default routes.
/// `more` is of the partition's own keys.
inline std::string member(const std::string& name, const std::string& number, const std::string& more = {}) {
    return "[partition." + name + "]\n" + more + "[partition." + name + ".link.eth0]\naddress = [\"10." +
           number + ".1.1/24\", \"fd00:" + number + "::1/64\"]\npeer = { name = \"" + name +
           "0\", address = [\"10." + number + ".1.2/24\", \"fd00:" + number + "::2/64\"] }\n[[partition." +
           name + ".route]]\nto = \"default\"\nvia = \"10." + number + ".1.2\"\n[[partition." + name +
           ".route]]\nto = \"default\"\nvia = \"fd00:" + number + "::2\"\n";
}

using Ports = std::vector<std::uint16_t>;

/// A server that answers at each of these ports.
inline std::vector<Server> servers(int netns, const std::string& address, const Ports& ports) {
    std::vector<Server> all;
    for (const auto port : ports) {
        all.emplace_back(netns, address, port);
    }
    return all;
}

}  // namespace partd::test
