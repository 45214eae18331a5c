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

}  // namespace partd::kernel
