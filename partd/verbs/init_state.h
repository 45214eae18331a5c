// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reconcile/engine.h"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace partd::verbs {

// PID 1 of a partition.
struct InitState {
    std::string command = {};
    std::optional<pid_t> pid = {};  // on the host; nullopt when it has ended
    std::optional<std::chrono::system_clock::time_point> since = {};
    std::string ended = {};  // in words; "" where it lives, or where nobody saw it end
};

// nullopt where the partition has no pid namespace.
std::optional<InitState> init_state(kernel::Host& host, const State& observed, const std::string& partition);
// "process 1234 (/bin/server), for 5m".
std::string init_text(const InitState& init);
// Null for nullopt.
Value init_value(const std::optional<InitState>& init);

}  // namespace partd::verbs
