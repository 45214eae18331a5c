// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace partd {

class State;

// The step in which a resource of a partition is made. Resources of an earlier phase exist before those of a
// later one, in the pairs that phase.cpp lists.
enum class Phase : std::uint8_t {
    None,       // its needs say all
    Filter,     // the rules by which its packets are judged and translated
    HostLink,   // links that lead to the host: behind the filter
    Network,    // the rest of its network, and the files of names
    Limits,     // of its control group
    Holder,     // a PID 1 of partd's own: behind the limits
    Processes,  // a PID 1 of the user's: finds the partition complete
    Services,   // of systemd: behind PID 1
    Frozen,     // nothing starts in a group that is frozen
};

// Adds to the needs of wanted resources those that follow from the phases of their partition and from what
// others say in `precedes`.
void add_phase_needs(State& desired);

// Adds to observed resources the dependencies that order their removal: a link to the host is never without
// its filter.
void add_removal_needs(State& observed);

}  // namespace partd
