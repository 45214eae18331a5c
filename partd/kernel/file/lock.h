// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <chrono>
#include <functional>
#include <string>

namespace partd::kernel {

// Locks between processes (flock(2)). Any process that can open the file can lock it and then be stopped:
// every wait for a lock is bounded.

// Tries until the time is over, once at least. EWOULDBLOCK when somebody else has it all that time.
Result<> lock_within(int fd, std::chrono::milliseconds patience);
// Opens or creates a file that root alone can open, and holds its lock until the descriptor is closed. The
// error of one that somebody else has (EWOULDBLOCK) names the process. `tell` hears it after a second of
// waiting.
Result<Fd> lock_file(const std::string& path, std::chrono::milliseconds patience,
                     const std::function<void(const std::string&)>& tell = {});
// For a child that fork(2) has made: closes the locks that it got along. It keeps nobody out then, whoever
// stops it, and however long it lives; its parent has them still.
void let_go_of_locks();
// "process 123 (partctl, stopped)": who has the lock of this open file, as proc_locks(5) tells; "another
// process" where it is nobody's who has the file open.
std::string lock_holder(int fd);

}  // namespace partd::kernel
