// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/nesting.h"

#include <string>
#include <string_view>

namespace partd::config {

struct Slip {
    TextPosition at;
    std::string message;
};

// Explains the parser's error at that place of a TOML text in plain words, never in those of the parser.
Slip find_slip(std::string_view toml, TextPosition at, std::string_view described);

}  // namespace partd::config
