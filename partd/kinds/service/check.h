// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/namespace/membership.h"

namespace partd {

// Reports what is wrong with a [partition.NAME.service.NAME].
void check_service(const Declared& declared, const DeclaredObject& object, Diagnostics& problems);
// True if the partition has no namespaces of its own but net and cgroup, so that systemd itself can start
// programs there.
bool is_plain(const Membership& membership);

}  // namespace partd
