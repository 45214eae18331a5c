// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/error.h"
#include "model/plan.h"

#include <map>
#include <string>
#include <vector>

namespace partd {

// Decides what others than root may hear: of a file that they may not read its names and lines, and no value.
// Files are looked at once; make a new one for each answer.
class Discretion {
public:
    // True if the values declared there are kept secret. A value that was declared nowhere is not.
    [[nodiscard]] bool keeps(const Source& source);
    void keep(Plan& plan);
    // The change in a line (plan/render.h).
    [[nodiscard]] std::string line_of(const Change& change);
    void keep(Problem& problem);
    void keep(std::vector<Problem>& problems);
    // The message of an error in what was declared there.
    [[nodiscard]] std::string told(const Error& error, const Source& source);

private:
    [[nodiscard]] bool concerns(const Change& change);
    void keep(Change& change);

    std::map<std::string, bool> known_;
};

// In the place of a value that is kept.
inline constexpr char kKept[] = "(not for all to read)";

}  // namespace partd
