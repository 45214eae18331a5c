#pragma once

#include "base/error.h"

#include <sys/types.h>

#include <functional>

namespace partd::kernel {

// Runs `work` in a child process: for what cannot be undone in this one, such as entering a user namespace.
// While the child waits, `meanwhile` may look at it from outside; then it ends. Returns the first error of
// the two, the child's as it was there. A child that takes more than a minute, or whose parent dies, is
// killed.
Result<> in_child(const std::function<Result<>()>& work,
                  const std::function<Result<>(pid_t child)>& meanwhile = {});

// For a process that cannot leave a namespace of a partition, of the kind named: going on there would change
// the wrong host. Says why by errno, and ends the process as one whose changes failed.
[[noreturn]] void end_astray(const char* kind);

}  // namespace partd::kernel
