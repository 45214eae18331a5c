// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/host.h"
#include "model/plan.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace partd {

// How the execution of a plan went.
struct Execution {
    struct Failed {
        Change change;
        Error error;
    };
    struct Skipped {
        Change change;
        Key because;            // the change that failed
        bool together = false;  // not that it needs that one: their partition is made anew as a whole, or not
    };
    std::size_t done = 0;
    std::size_t writes = 0;  // requests that changed the host
    std::vector<Failed> failed = {};
    std::vector<Skipped> skipped = {};
    std::vector<Change> postponed = {};  // processes have some time left to end; what comes after is skipped
    std::vector<Key> removed = {};       // by a request of their own
    std::vector<std::pair<Key, std::string>> learnt = {};  // identities of what was made

    // True if no change of that object failed, was skipped or was postponed.
    [[nodiscard]] bool did(const Key& key) const {
        const auto is_same = [&](const auto& each) { return each.change.key == key; };
        return std::ranges::none_of(failed, is_same) && std::ranges::none_of(skipped, is_same) &&
               std::ranges::find(postponed, key, &Change::key) == postponed.end();
    }
};

// The error with what was being done in front, and the place that is at fault.
Execution::Failed failed_change(const Change& change, Error error);

// Carries out a plan, wave by wave. A failed change holds back only those that come after it.
Execution execute(kernel::Host& host, const Plan& plan);

}  // namespace partd
