// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace partd {

class State;

// How far a partition is when one of its resources is made. What comes in an earlier phase is there before
// what comes in a later one, where phase.cpp says so.
enum class Phase : std::uint8_t {
    None,       // its needs say all
    Filter,     // what its packets are judged and translated by
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

// The same for observed resources, whose needs say in which order they go: no link to the host is ever
// without its filter.
void add_removal_needs(State& observed);

}  // namespace partd
