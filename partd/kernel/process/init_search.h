// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/namespaces.h"

#include <optional>
#include <set>

namespace partd::kernel {

// PID 1 of a pid namespace, among these processes or any of the host's; nullopt when it has ended.
Result<std::optional<pid_t>> find_init(const std::set<pid_t>& likely, const Namespace& pid);

}  // namespace partd::kernel
