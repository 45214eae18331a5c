// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/value.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd::verbs {

// The use of one partition or slice between two readings of its counters.
struct Rates {
    std::string name = {};
    std::string kind = {};
    std::optional<double> cpu = {};            // percent of one processor
    std::optional<std::uint64_t> memory = {};  // bytes, at the second reading
    std::optional<std::uint64_t> processes = {};
    std::optional<double> read = {}, written = {};   // bytes a second, of block devices
    std::optional<double> received = {}, sent = {};  // bytes a second, of its network
    bool estimated = false;                          // added up from the processes that live now
};

// Compares two answers of `usage`. A name that is only in the second has no rates
// yet. A counter that went back, because its processes ended, counts as 0.
std::vector<Rates> rates_between(const Value& before, const Value& after);

// By "name", "cpu", "memory", "processes", "io" or "net"; the largest first, those alike by name.
void sort_rates(std::vector<Rates>& all, std::string_view by);

// A line each, in 80 columns.
std::string rates_table(const std::vector<Rates>& all, bool legend);
Value to_value(const std::vector<Rates>& all, double seconds);

// The seconds between two answers.
double seconds_between(const Value& before, const Value& after);

}  // namespace partd::verbs
