// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <string>

namespace partd::kernel {

// Opens a file of procfs or cgroupfs; one of a file system that is mounted over them is an error that says
// so.
Result<Fd> open_kernel_file(const std::string& path, int flags);
// The whole file, at most 1 MiB.
Result<std::string> read_kernel_file(const std::string& path);

}  // namespace partd::kernel
