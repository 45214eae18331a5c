// SPDX-License-Identifier: Apache-2.0
#include "plan/order.h"

#include "model/kind.h"

#include <algorithm>
#include <queue>

namespace partd::plan {

namespace {

// The plan with only the changes at these indices, in this order.
Plan picked(Plan plan, const std::vector<std::size_t>& order) {
    std::vector<std::size_t> position(plan.changes.size(), plan.changes.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        position[order[i]] = i;
    }
    std::vector<Change> changes;
    changes.reserve(order.size());
    for (const std::size_t index : order) {
        Change change = std::move(plan.changes[index]);
        for (std::size_t& other : change.after) {
            other = position[other];
        }
        // An edge to a later change is part of a cycle or leads to a change that was left out.
        const std::size_t own = changes.size();
        std::erase_if(change.after, [&](std::size_t other) { return other >= own; });
        std::ranges::sort(change.after);
        const auto [first, last] = std::ranges::unique(change.after);
        change.after.erase(first, last);
        changes.push_back(std::move(change));
    }
    plan.changes = std::move(changes);
    return plan;
}

bool one_transaction(const Change& a, const Change& b) {
    return !a.key.kind->channel.empty() && a.key.kind->channel == b.key.kind->channel;
}

std::size_t wave_of(const Plan& plan, const Change& change) {
    std::size_t wave = 0;
    for (const std::size_t other : change.after) {
        const Change& before = plan.changes[other];
        const bool together = change.implied || one_transaction(before, change);
        wave = std::max(wave, before.wave + (together ? 0 : 1));
    }
    return wave;
}

// Needs that go in a circle hold nothing back: what is left stands at the end, and the kernel has the last
// word.
void release_circle(const std::vector<std::size_t>& waiting, std::vector<std::size_t>& order) {
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (waiting[i] > 0) {
            order.push_back(i);
        }
    }
}

}  // namespace

Plan in_waves(Plan plan) {
    const std::size_t count = plan.changes.size();
    std::vector<std::vector<std::size_t>> followers(count);
    std::vector<std::size_t> waiting(count);
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < count; ++i) {
        waiting[i] = plan.changes[i].after.size();
        for (const std::size_t before : plan.changes[i].after) {
            followers[before].push_back(i);
        }
        if (waiting[i] == 0) {
            ready.push(i);
        }
    }
    std::vector<std::size_t> order;
    while (!ready.empty()) {
        const std::size_t next = ready.top();
        ready.pop();
        order.push_back(next);
        for (const std::size_t follower : followers[next]) {
            if (--waiting[follower] == 0) {
                ready.push(follower);
            }
        }
    }
    release_circle(waiting, order);
    plan = picked(std::move(plan), order);
    for (Change& change : plan.changes) {
        change.wave = wave_of(plan, change);
    }
    std::vector<std::size_t> by_wave(plan.changes.size());
    for (std::size_t i = 0; i < by_wave.size(); ++i) {
        by_wave[i] = i;
    }
    std::ranges::stable_sort(by_wave, {}, [&](std::size_t index) { return plan.changes[index].wave; });
    return picked(std::move(plan), by_wave);
}

Keys needs_of(const State& desired, const std::string& owner) {
    Keys needed;
    std::vector<const Resource*> open;
    for (const Resource& resource : desired.all()) {
        if (resource.owner == owner) {
            open.push_back(&resource);
        }
    }
    while (!open.empty()) {
        const Resource& resource = *open.back();
        open.pop_back();
        for (const Key& need : resource.depends_on) {
            const Resource* found = desired.find(need);
            if (found != nullptr && needed.insert(need).second) {
                open.push_back(found);
            }
        }
    }
    return needed;
}

Plan restrict_to(Plan plan, const std::string& owner, const Keys& needed) {
    std::vector<bool> kept(plan.changes.size());
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const Change& change = plan.changes[i];
        if (change.owner == owner || (change.owner.empty() && needed.contains(change.key))) {
            open.push_back(i);
        }
    }
    // Nothing of another partition's is taken away for this one.
    const auto takes_from_others = [&](std::size_t index) {
        const Change& change = plan.changes[index];
        return change.action == Action::Remove && !change.owner.empty() && change.owner != owner;
    };
    while (!open.empty()) {
        const std::size_t index = open.back();
        open.pop_back();
        Change& change = plan.changes[index];
        if (kept[index] || takes_from_others(index)) {
            continue;
        }
        kept[index] = true;
        // The other owner's container stays, so what is in it has to be removed explicitly.
        change.implied = change.implied && std::ranges::none_of(change.after, takes_from_others);
        open.insert(open.end(), change.after.begin(), change.after.end());
    }
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (kept[i]) {
            order.push_back(i);
        }
    }
    std::erase_if(plan.conflicts, [&](const Conflict& conflict) { return conflict.owner != owner; });
    std::erase_if(plan.blocked, [&](const Blocked& blocked) { return blocked.owner != owner; });
    return picked(std::move(plan), order);
}

}  // namespace partd::plan
