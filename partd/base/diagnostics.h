// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/source.h"

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace partd {

// One thing wrong with the configuration, and the second place it has to do with, if there is one.
struct Problem {
    Source at = {};
    std::string message = {};
    Source other = {};
    std::string note = {};
};

// Every problem of a run, each once: nothing stops at the first.
class Diagnostics {
public:
    void error(Source at, std::string message, Source other = {}, std::string note = {});
    [[nodiscard]] const std::vector<Problem>& problems() const { return problems_; }
    [[nodiscard]] bool empty() const { return problems_.empty(); }

private:
    std::vector<Problem> problems_;
    std::unordered_set<std::string> told_;
};

}  // namespace partd
