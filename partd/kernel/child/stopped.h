// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>

namespace partd::kernel {

// A process that has entered a user namespace can be stopped by its root, again and again: it is ended then.

// Ends this child of the calling process when it is stopped. True when it was.
bool ends_when_stopped(pid_t child);
// A function that does so with the only child of another process; empty when that has no child, or several.
std::function<bool()> ends_child_when_stopped(pid_t parent);

}  // namespace partd::kernel
