// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/session/enter.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace partd::kernel {

// A command to run in a partition.
struct SessionPlan {
    std::vector<std::string> command;                     // empty: the shell of its root (passwd(5))
    std::map<std::string, std::string> environment = {};  // besides what it gets anyway
    std::string user = {};                                // as find_account() takes it; "": root
    unsigned file_mode_mask = 022;
    // A terminal of the partition's in the place of the caller's, wherever the caller has one.
    bool terminal = false;
};

// Runs the program in the partition. Where that has a pid or user namespace this process waits for it:
// signals to this process go on to it, a terminal is that of the partition (pty(7)) with the caller's window
// size. Returns as the program did: exits with its code, or ends by the same signal. Elsewhere this process
// becomes the program. An error only when it could not be started.
Error run_session(const Cgroups& cgroups, const Entry& entry, const SessionPlan& plan);

}  // namespace partd::kernel
