// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/process/processes.h"

#include <chrono>
#include <optional>
#include <set>
#include <string_view>

namespace partd::kernel {

// signal_number(), also of "RTMIN+3".
std::optional<int> stop_signal_number(std::string_view text);

// Asks processes to end: PID 1 of a pid namespace by that signal, those outside of it by SIGTERM. The others
// inside are told nothing, for PID 1 ends them.
Result<> ask_to_end(const std::set<pid_t>& pids, const Meant& meant, pid_t init, int signal);
// True if the process has a handler for the signal. The kernel delivers it to no PID 1 without one
// (pid_namespaces(7)).
bool hears(pid_t init, int signal);

// Takes out the processes that have ended; waits for those that are on their way: somebody has sent them
// SIGKILL, or they exit.
void await_dying(std::set<pid_t>& pids, std::chrono::milliseconds most);

// When it was started; nullopt when it is gone.
std::optional<std::chrono::system_clock::time_point> start_of(pid_t pid);

}  // namespace partd::kernel
