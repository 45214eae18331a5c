// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <string>
#include <vector>

namespace partd::kernel {

// Checks of a root before it is assembled; they change nothing.

// An absolute path of the host's: an error when nothing is there, or a symbolic link is on the way.
Result<> look_at_path(const std::string& path);
// Checks a mount point in that root, following symbolic links inside of it: an error if a file is on the way,
// or a link leads below another mount. Missing directories are fine: they would be made.
Result<> look_at_target(const std::string& root, const std::string& path);
// A program in a root, links followed inside of it; the first of these directories that has it counts, an
// upper layer before what is below. An error when none has it, or when it is not executable.
Result<> look_at_program(const std::vector<std::string>& roots, const std::string& path);

// The users who reach a path of the host, and how it is mounted.
struct Reach {
    bool others = false;  // users besides root may search each directory above it
    bool nosuid = false;
    bool nodev = false;
    bool of_root = false;  // it belongs to root
};
// Nobody reaches a path that is missing or contains a symbolic link. The mode of the directory itself does
// not count: a partition that has it as its root can change it.
Reach reach_of(const std::string& path);

}  // namespace partd::kernel
