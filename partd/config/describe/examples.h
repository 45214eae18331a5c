// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text_file.h"

#include <span>
#include <string>
#include <string_view>

namespace partd::config {

// The lines of these files that show a place of the language ("partition.*.nat.forward[]") best: from its
// header to the next empty line. With a selector those of that kind, else of the usual one. ""
// where none of them has such lines.
std::string example_of(std::string_view path, std::string_view selector, std::span<const TextFile> examples);

}  // namespace partd::config
