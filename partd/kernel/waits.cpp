// SPDX-License-Identifier: Apache-2.0
#include "kernel/waits.h"

#include <algorithm>

namespace partd::kernel {

std::optional<Waits::Clock::time_point> Waits::next() const {
    std::optional<Clock::time_point> first;
    for (const auto& [name, one] : all_) {
        if (one.again != Clock::time_point::max()) {
            first = std::min(first.value_or(one.again), one.again);
        }
    }
    return first;
}

std::vector<std::string> Waits::take_due(Clock::time_point now) {
    std::vector<std::string> owners;
    for (auto& [name, one] : all_) {
        if (one.again <= now) {
            one.again = Clock::time_point::max();
            owners.push_back(one.owner);
        }
    }
    return owners;
}

}  // namespace partd::kernel
