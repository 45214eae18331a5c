// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

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

}  // namespace partd::test
