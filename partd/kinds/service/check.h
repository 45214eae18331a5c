// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/namespace/membership.h"

namespace partd {

// Reports what is wrong with a [partition.NAME.service.NAME].
void check_service(const Declared& declared, const DeclaredObject& object, Diagnostics& problems);
// Whether nothing but a network namespace and a cgroup is the partition's own, so that systemd itself can
// start programs there.
bool is_plain(const Membership& membership);

}  // namespace partd
