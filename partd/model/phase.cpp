// SPDX-License-Identifier: Apache-2.0
#include "model/phase.h"

#include "model/kind.h"
#include "model/resource.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>

namespace partd {

namespace {

Phase phase_of(const Resource& resource) {
    return resource.phase.value_or(resource.key.kind->phase);
}

// The phases that are over when one begins.
std::span<const Phase> before(Phase phase) {
    using enum Phase;
    static constexpr Phase kBeforeLink[] = {Filter};
    static constexpr Phase kBeforeHolder[] = {Limits};
    static constexpr Phase kBeforeProcesses[] = {Filter, HostLink, Network, Limits};
    static constexpr Phase kBeforeServices[] = {Filter, HostLink, Network, Limits, Holder, Processes};
    static constexpr Phase kBeforeFrozen[] = {Holder, Processes, Services};
    switch (phase) {
        case HostLink:
            return kBeforeLink;
        case Holder:
            return kBeforeHolder;
        case Processes:
            return kBeforeProcesses;
        case Services:
            return kBeforeServices;
        case Frozen:
            return kBeforeFrozen;
        case None:
        case Filter:
        case Network:
        case Limits:
            break;
    }
    return {};
}

using ByStage = std::map<Phase, std::vector<Key>>;

std::unordered_map<std::string, ByStage> by_owner(const State& state) {
    std::unordered_map<std::string, ByStage> all;
    for (const Resource& resource : state.all()) {
        if (const Phase phase = phase_of(resource); phase != Phase::None && !resource.owner.empty()) {
            all[resource.owner][phase].push_back(resource.key);
        }
    }
    return all;
}

void add_needs(State& state, std::initializer_list<Phase> phases) {
    const auto owners = by_owner(state);
    for (Resource& resource : state.all()) {
        const Phase phase = phase_of(resource);
        const auto own = owners.find(resource.owner);
        if (own == owners.end() || std::ranges::find(phases, phase) == phases.end()) {
            continue;
        }
        for (const Phase earlier : before(phase)) {
            if (const auto keys = own->second.find(earlier); keys != own->second.end()) {
                resource.depends_on.insert(resource.depends_on.end(), keys->second.begin(),
                                           keys->second.end());
            }
        }
    }
}

void turn_around(State& state) {
    for (Resource& resource : state.all()) {
        for (const Key& later : std::exchange(resource.precedes, {})) {
            if (Resource* found = state.find(later)) {
                found->depends_on.push_back(resource.key);
            }
        }
    }
}

}  // namespace

void add_phase_needs(State& desired) {
    using enum Phase;
    add_needs(desired, {HostLink, Holder, Processes, Services, Frozen});
    turn_around(desired);
}

void add_removal_needs(State& observed) {
    add_needs(observed, {Phase::HostLink});
}

}  // namespace partd
