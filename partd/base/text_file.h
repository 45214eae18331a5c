// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace partd {

// A configuration file's name as it is shown, and its whole text.
struct TextFile {
    std::string path;
    std::string text;
};

}  // namespace partd
