// SPDX-License-Identifier: Apache-2.0
#pragma once
// Points shared among processes, each with a host of its own.

#include "judge.h"

#include <functional>

namespace partd::fault {

struct Point {
    std::size_t scenario = 0;
    Injection injection;
    Seen at;  ///< the call that it is about, as the census has it
};

struct Result {
    Point point;
    Verdict verdict;
};

/// The disturbances of these calls of that scenario: for each a kill before and after, each errno, each
/// refusal; the death of its partitions' PID 1, where they have some at its beginning.
std::vector<Point> points_of(std::size_t scenario, const std::vector<Seen>& calls, bool has_init);

/// The calls of each scenario, undisturbed; throws when one fails.
std::vector<std::vector<Seen>> take_census(const std::vector<Scenario>& scenarios, unsigned workers);

/// Tries the points on that many hosts at once, for so long at most unless that is 0, and tells of each as it
/// is done.
void try_all(const std::vector<Scenario>& scenarios, const std::vector<Point>& points, unsigned workers,
             std::chrono::seconds most, const std::function<void(const Result&)>& tell);

}  // namespace partd::fault
