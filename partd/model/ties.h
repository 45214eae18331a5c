// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace partd {

// Owners that have to do with each other though the texts of neither may name the other.
struct Ties {
    std::vector<std::pair<std::string, std::string>> pairs = {};
    bool all = false;  // everybody
};

}  // namespace partd
