// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"
#include "verbs/verbs.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace partd::verbs {

// One line of `status`, about a partition or a slice.
struct Summary {
    std::string name;
    bool is_slice = false;
    std::string state;  // active, stopped, degraded, missing, conflict, …
    std::string description;
    Source source;
    std::size_t links = 0;                // in its network namespace, its own or the one that it shares
    std::vector<Address> addresses = {};  // there, whoever declared them
    std::size_t forwards = 0;
    bool masquerade = false;
    std::optional<std::uint64_t> memory;  // bytes in use now
    std::size_t processes = 0;
    std::optional<std::chrono::system_clock::time_point> since;
};

// Every partition and slice that a file declares or partd made, by name.
std::vector<Summary> summarize(Engine& engine, const Desired& desired, const Inspection& view);

// "2026-11-22T05:00:00Z" (RFC 3339); "2026-11-22T05:00:00.000001Z" to the microsecond.
std::string time_text(std::chrono::system_clock::time_point time, bool exact = false);
// "42s", "17m", "5h", "12d": the largest unit alone, rounded down.
std::string age_text(std::chrono::system_clock::duration age);

}  // namespace partd::verbs
