// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ledger.h"
#include "reconcile/load.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// How bad it is.
enum class Severity : std::uint8_t {
    Ok,
    Note,     // good to know
    Warning,  // may get in the way
    Problem,  // does get in the way of what is declared
};
std::string_view severity_name(Severity severity);

// Commands for sh(1), as they stand; "" where there are none.
struct Remedy {
    std::string run = {};   // what does it
    std::string undo = {};  // what takes that back
};

// One thing about this host that matters to partitions.
struct Finding {
    Severity severity = Severity::Ok;
    std::string what;
    std::string why;  // it matters, in a sentence; "" with Ok
    std::string fix;  // what to do; "" with Ok
    Remedy remedy = {};
    std::string partition = {};  // that it concerns; "" for none, or several
    Source at = {};              // of the declaration that it concerns, if it is one
};

// All that on this host may get in the way of partitions, and what is well, the worst first. Looks only.
std::vector<Finding> diagnose(kernel::Host& host, const Desired& desired, const Ledger& ledger);

}  // namespace partd
