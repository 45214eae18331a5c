// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

namespace partd::kernel {

// Gives the calling process what a fresh child of the host's PID 1 has, whoever started this program: bounds,
// priority, scheduling, processors, place in memory, signals, personality, security bits. It needs the host's
// rights, and comes before a user namespace takes them. An error where something was taken from the caller
// for ever that the host's PID 1 has (prctl(2), PR_SET_NO_NEW_PRIVS).
Result<> forget_circumstances();
// The last part of it, for one that has closed what it does not need: the usual number of descriptors.
void limit_descriptors();

}  // namespace partd::kernel
