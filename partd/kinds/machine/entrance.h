// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/session/enter.h"
#include "kinds/kinds.h"

namespace partd {

// Everything of a partition that is there to be entered, open. An error when a declared namespace is not, or
// when its PID 1 has ended: the kernel lets nobody into such a pid namespace.
Result<kernel::Entry> open_entry(kernel::Host& host, const State& desired, const State& observed,
                                 const std::string& partition);

// The kinds that open_entry() asks for, in the order in which they look.
std::span<const LiveKind* const> kinds_of_entry();

}  // namespace partd
