// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of check.h's comparison, a topic each. All add to `differences`.

#include "check.h"

namespace partd::test {

using Differences = std::vector<std::string>;

/// A member as text, whatever it is; "" when it is not there.
std::string text_of(const Json& object, const char* key);

void compare_routing(const Partition& wanted, int netns, Differences& differences);
void compare_sysctls(const Partition& wanted, int netns, const Doubt& doubt, Differences& differences);
/// resolv.conf, hosts and the host name.
void compare_names(const Partition& wanted, Differences& differences);
void compare_cgroups(const Host& wanted, Sandbox& sandbox, const Doubt& doubt, Differences& differences);

}  // namespace partd::test
