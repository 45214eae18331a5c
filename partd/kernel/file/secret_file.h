// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <string>

namespace partd::kernel {

// The text of a file with a secret in it: a regular file that nobody but root can read or write. The caller
// wipes the text.
Result<std::string> read_private_file(const std::string& path);
// The key in such a file, as `wg genkey` prints it.
Result<Secret> read_key_file(const std::string& path);

}  // namespace partd::kernel
