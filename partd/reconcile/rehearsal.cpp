// SPDX-License-Identifier: Apache-2.0
#include "reconcile/rehearsal.h"

#include "kernel/batch.h"
#include "kinds/kinds.h"
#include "kinds/machine/mounted.h"
#include "plan/order.h"

#include <algorithm>
#include <unordered_set>

namespace partd {

namespace {

// Owners of whom something that runs is removed and something is made: they are made anew.
std::set<std::string> made_anew(const Plan& plan) {
    std::set<std::string> ending;
    std::set<std::string> anew;
    for (const Change& change : plan.changes) {
        if (change.action == Action::Remove && live_kind(*change.key.kind).ends != nullptr) {
            ending.insert(change.owner);
        }
    }
    if (ending.empty()) {
        return anew;
    }
    for (const Change& change : plan.changes) {
        const LiveKind& kind = live_kind(*change.key.kind);
        if (change.action == Action::Create && ending.contains(change.owner) && kind.ends != nullptr &&
            kind.rehearse != nullptr) {
            anew.insert(change.owner);
        }
    }
    return anew;
}

// Names of what is removed because it is made anew.
plan::Keys replaced_keys(const Plan& plan) {
    plan::Keys removed;
    plan::Keys replaced;
    for (const Change& change : plan.changes) {
        if (change.action == Action::Remove && live_kind(*change.key.kind).rehearse != nullptr) {
            removed.insert(change.key);
        }
    }
    for (const Change& change : plan.changes) {
        if (change.action == Action::Create && removed.contains(change.key)) {
            replaced.insert(change.key);
        }
    }
    return replaced;
}

// Which changes of a plan are left out, until nothing more follows from them.
class Selection {
public:
    Selection(const Plan& plan, const std::set<std::string>& keys, const std::set<std::string>& paused)
        : plan_(plan), anew_(made_anew(plan)) {
        for (const Change& change : plan.changes) {
            out_.push_back(paused.contains(change.owner) ||
                           (!keys.empty() && keys.contains(change.key.text())));
        }
        while (spread()) {
        }
    }

    [[nodiscard]] bool is_out(std::size_t index) const { return out_[index]; }

private:
    bool spread() {
        bool more = false;
        for (std::size_t i = 0; i < out_.size(); ++i) {
            const Change& change = plan_.changes[i];
            const auto is_out = [&](std::size_t before) { return out_[before]; };
            if (!out_[i] && (kept_.contains(change.owner) || std::ranges::any_of(change.after, is_out))) {
                out_[i] = true;
                more = true;
            }
            const LiveKind& kind = live_kind(*change.key.kind);
            const bool is_replacement =
                change.action == Action::Create && kind.ends != nullptr && kind.rehearse != nullptr;
            if (out_[i] && is_replacement && anew_.contains(change.owner)) {
                more |= kept_.insert(change.owner).second;
            }
        }
        return more;
    }

    const Plan& plan_;
    std::set<std::string> anew_;
    std::set<std::string> kept_;  // of those, whoever stays as it is
    std::vector<bool> out_;
};

// One look at what a plan makes anew, in its order.
class Rehearsal {
public:
    Rehearsal(kernel::Host& host, const Plan& plan)
        : stage_{.host = host, .rehearsal = true, .plan = &plan}, plan_(plan), wanted_(plan.changes.size()) {}

    std::vector<Execution::Failed> run() && {
        const auto anew = made_anew(plan_);
        const auto replaced = replaced_keys(plan_);
        for (std::size_t i = 0; i < plan_.changes.size(); ++i) {
            const Change& change = plan_.changes[i];
            if (change.action == Action::Create &&
                (anew.contains(change.owner) || replaced.contains(change.key))) {
                want(i);
            }
        }
        for (std::size_t i = 0; i < wanted_.size(); ++i) {
            const Change& change = plan_.changes[i];
            const auto rehearse = live_kind(*change.key.kind).rehearse;
            if (!wanted_[i] || rehearse == nullptr || misses_something(change)) {
                continue;
            }
            if (auto done = rehearse(stage_, change); !done) {
                missing_.insert(i);
                failed_.push_back(failed_change(change, std::move(done).error()));
            }
        }
        return std::move(failed_);
    }

private:
    // Marks it with all creations that it comes after.
    void want(std::size_t index) {
        if (wanted_[index]) {
            return;
        }
        wanted_[index] = true;
        for (const std::size_t before : plan_.changes[index].after) {
            if (plan_.changes[before].action == Action::Create) {
                want(before);
            }
        }
    }

    bool misses_something(const Change& change) const {
        return std::ranges::any_of(change.after,
                                   [&](std::size_t before) { return missing_.contains(before); });
    }

    Stage stage_;
    const Plan& plan_;
    std::vector<bool> wanted_;
    std::unordered_set<std::size_t> missing_;
    std::vector<Execution::Failed> failed_;
};

}  // namespace

void foretell(kernel::Host& host, Plan& plan) {
    kernel::Batch batch(host);
    ApplyContext context{host, batch};
    std::set<pid_t> counted;
    for (Change& change : plan.changes) {
        const auto ends = live_kind(*change.key.kind).ends;
        if (change.action != Action::Remove || change.implied || ends == nullptr) {
            continue;
        }
        for (const pid_t pid : ends(context, change).value_or(std::set<pid_t>())) {
            change.ends += counted.insert(pid).second ? 1 : 0;
        }
    }
}

std::vector<Execution::Failed> rehearse(kernel::Host& host, const Plan& plan) {
    remove_rehearsals(host.paths());
    auto failed = Rehearsal(host, plan).run();
    remove_rehearsals(host.paths());
    return failed;
}

Plan without(Plan plan, const std::set<std::string>& keys, const std::set<std::string>& paused) {
    const Selection selection(plan, keys, paused);
    std::vector<std::size_t> position(plan.changes.size());
    std::vector<Change> kept;
    for (std::size_t i = 0; i < position.size(); ++i) {
        position[i] = kept.size();
        if (!selection.is_out(i)) {
            kept.push_back(std::move(plan.changes[i]));
            for (std::size_t& before : kept.back().after) {
                before = position[before];
            }
        }
    }
    plan.changes = std::move(kept);
    return plan;
}

}  // namespace partd
