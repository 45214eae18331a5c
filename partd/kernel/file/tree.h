// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <dirent.h>

#include <chrono>
#include <memory>
#include <string>

namespace partd::kernel {

// Opens the directory of that name in another one, for reading. ELOOP for a symbolic link, EXDEV when
// something is mounted there (openat2(2)).
Result<Fd> open_directory_inside(int directory, const std::string& name);

// Reads an open directory from its beginning; nullptr, and errno, when that fails.
using DirectoryStream = std::unique_ptr<DIR, int (*)(DIR*)>;
DirectoryStream open_stream(int directory);

// Deletes all that is in a directory, at most until then; returns whether it is empty. What is deeper is
// moved up as it is found, so that neither depth nor number is limited; what was moved is found again after
// an interruption. Follows no link and crosses no mount: what cannot go is left, and the first of it is the
// error.
Result<bool> remove_contents(int directory, std::chrono::steady_clock::time_point deadline);

}  // namespace partd::kernel
