// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <span>
#include <string>
#include <string_view>

namespace partd::kernel {

// Becomes the program, found by PATH where its name has no slash, as execvp(3) does. A file that the kernel
// cannot run is an error: no shell reads it instead. Returns only with an error.
Error run_program(std::span<char* const> arguments);

// Why the kernel cannot run (ENOEXEC) a file that begins so, and what to do about it.
std::string why_not_executable(std::string_view beginning);

}  // namespace partd::kernel
