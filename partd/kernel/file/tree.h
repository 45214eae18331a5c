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

// Deletes the content of a directory until the deadline; returns true if it is empty. Deeper directories are
// moved up as they are found, so that neither depth nor number is limited; after an interruption they are
// found again. Follows no symbolic link and crosses no mount: entries that cannot be deleted stay, and the
// first one's error is returned.
Result<bool> remove_contents(int directory, std::chrono::steady_clock::time_point deadline);

}  // namespace partd::kernel
