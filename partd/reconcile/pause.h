// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/host.h"

#include <set>
#include <string>

namespace partd {

// Partitions and slices that an administrator works on by hand: partd leaves them as they are, until they are
// resumed or the host boots.
Result<std::set<std::string>> paused(const kernel::Paths& paths);
Result<> pause(const kernel::Paths& paths, const std::string& name);
// One that is not paused is success.
Result<> resume(const kernel::Paths& paths, const std::string& name);

// Partitions that somebody has stopped by hand: they are declared and do not run until they are started, also
// after a reboot.
Result<std::set<std::string>> stopped(const kernel::Paths& paths);
Result<> note_stopped(const kernel::Paths& paths, const std::string& name);
// One that is not stopped is success.
Result<> forget_stopped(const kernel::Paths& paths, const std::string& name);

// The files are being worked on: what partd keeps is what they said before, until they are released or the
// host boots. Not being held is success.
Result<> hold_files(const kernel::Paths& paths);
Result<> release_files(const kernel::Paths& paths);
bool files_held(const kernel::Paths& paths);

}  // namespace partd
