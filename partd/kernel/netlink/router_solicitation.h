// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace partd::kernel {

// Asks the routers on a link of the calling thread's network namespace for an advertisement (RFC 4861, 4.1).
// A link that is down or has no address yet is not asked: the kernel asks by itself when it comes up. An
// answer is nobody's duty, so that nothing is reported.
void solicit_routers(const std::string& link);

}  // namespace partd::kernel
