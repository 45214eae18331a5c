// SPDX-License-Identifier: Apache-2.0
#include "reconcile/reconciler.h"

#include "kernel/file/files.h"
#include "kinds/kinds.h"
#include "kinds/net/address.h"
#include "model/phase.h"
#include "plan/diff.h"
#include "reconcile/ledger_update.h"
#include "reconcile/rehearsal.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

namespace partd {

namespace {

// Drops resources that were observed only because others in the scope depend on them.
void keep_scope(const State& desired, const Scope& scope, State& observed) {
    State kept;
    for (Resource& found : observed.all()) {
        if (scope.covers(*found.key.kind, found.owner) || desired.find(found.key) != nullptr) {
            kept.add(std::move(found));
        }
    }
    observed = std::move(kept);
}

Result<> observe(kernel::Host& host, const State& desired, const Scope& scope, const Ledger& ledger,
                 Inspection& view, std::span<const LiveKind* const> kinds = live_kinds()) {
    host.invalidate();
    Observation observation{
        .host = host, .desired = desired, .ledger = ledger, .observed = view.observed, .scope = scope};
    for (const LiveKind* kind : kinds) {
        if (kind->observe == nullptr || !scope.covers(kind->kind)) {
            continue;
        }
        if (auto looked = kind->observe(observation); !looked) {
            return std::unexpected(
                std::move(looked).error().wrap(fmt::format("look at {}", kind->kind.name)));
        }
    }
    PARTD_TRY(host.groups_listed());
    add_removal_needs(view.observed);
    if (!scope.all) {
        keep_scope(desired, scope, view.observed);
    }
    view.hidden = observation.hidden;
    view.unreadable = std::move(observation.unreadable);
    return {};
}

}  // namespace

std::string too_many_removals(const Ledger& ledger, const Plan& plan, const ApplyOptions& options) {
    constexpr std::size_t kFew = 3;
    std::set<std::string> leaving;
    for (const Change& change : plan.changes) {
        if (change.action == Action::Remove && change.key.kind->counts && !change.owner.empty()) {
            leaving.insert(change.owner);
        }
    }
    if (options.allow_delete || leaving.size() <= kFew) {
        return {};
    }
    std::set<std::string> there;
    for (const Kind* kind : pure_kinds()) {
        if (kind->counts) {
            ledger.for_kind(kind->name,
                            [&](const std::string&, const LedgerEntry& entry) { there.insert(entry.owner); });
        }
    }
    there.erase("");
    const auto percent = static_cast<std::int64_t>(leaving.size() * 100);
    if (percent <= options.delete_limit * static_cast<std::int64_t>(there.size())) {
        return {};
    }
    return fmt::format("{} of {} partitions and slices would be removed, more than the delete limit of {} %",
                       leaving.size(), there.size(), options.delete_limit);
}

namespace {

// Owners with ledger entries in a channel but no declaration there are observed completely: `on_remove` is
// known from their partition resource.
void add_unwanted(const Ledger& ledger, const DesiredIndex& parts, Scope& scope) {
    for (const Kind* kind : pure_kinds()) {
        if (!scope.channels.contains(kind->channel)) {
            continue;
        }
        ledger.for_kind(kind->name, [&](const std::string&, const LedgerEntry& entry) {
            if (!entry.owner.empty() && parts.of_channel(kind->channel, entry.owner).empty()) {
                scope.owners.insert(entry.owner);
            }
        });
    }
}

// A name that is being freed, an object that changed meanwhile, an address where IPv6 was still off: worth
// another look.
bool is_passing(const Execution::Failed& failed) {
    const Error& error = failed.error;
    return (error.code == EACCES && failed.change.key.kind == &kAddress.kind) || error.code == EEXIST ||
           error.code == EBUSY || error.code == ENODEV || error.code == ENOENT || error.code == ENETUNREACH ||
           error.code == EHOSTUNREACH;
}

// Adds what a round did to the whole; of what was tried twice, the later word counts.
void merge(Execution& all, Execution round) {
    const auto add = [](auto& into, auto& from) {
        for (auto& entry : from) {
            std::erase_if(into, [&](const auto& old) { return old.change.key == entry.change.key; });
            into.push_back(std::move(entry));
        }
    };
    all.done += round.done;
    all.writes += round.writes;
    std::ranges::move(round.postponed, std::back_inserter(all.postponed));
    add(all.failed, round.failed);
    add(all.skipped, round.skipped);
}

// Drops failures of changes that are no longer planned: a later round did them.
void forget_what_was_done(Execution& all, const Plan& left) {
    const auto done = [&](const auto& entry) {
        return std::ranges::find(left.changes, entry.change.key, &Change::key) == left.changes.end();
    };
    std::erase_if(all.failed, done);
    std::erase_if(all.skipped, done);
}

// Why a change of a plan is not carried out when these have failed.
class Culprits {
public:
    Culprits(const Plan& plan, const std::vector<Execution::Failed>& failed)
        : plan_(plan), first_(failed.front().change.key) {
        for (const auto& each : failed) {
            keys_.insert(each.change.key);
            of_owner_.try_emplace(each.change.owner, each.change.key);
        }
    }

    [[nodiscard]] bool has(const Key& key) const { return keys_.contains(key); }

    // One of its own partition, else the nearest that it comes after, else of a partition of one of those.
    [[nodiscard]] const Key& of(std::size_t index) const {
        const auto own = of_owner_.find(plan_.changes[index].owner);
        if (own != of_owner_.end()) {
            return own->second;
        }
        std::vector<std::size_t> reached = {index};
        std::unordered_set<std::size_t> seen = {index};
        for (std::size_t at = 0; at < reached.size(); ++at) {
            const Change& change = plan_.changes[reached[at]];
            const auto theirs = of_owner_.find(change.owner);
            if (has(change.key) || theirs != of_owner_.end()) {
                return has(change.key) ? *keys_.find(change.key) : theirs->second;
            }
            std::ranges::copy_if(change.after, std::back_inserter(reached),
                                 [&](std::size_t before) { return seen.insert(before).second; });
        }
        return first_;
    }

private:
    const Plan& plan_;
    const Key& first_;
    std::unordered_set<Key, KeyHash> keys_;
    std::unordered_map<std::string, Key> of_owner_;
};

class Apply {
public:
    Apply(kernel::Host& host, LedgerFile& ledger, const State& desired, const ApplyOptions& options)
        : host_(host), ledger_(ledger), desired_(desired), options_(options), given_up_(options.held) {}

    // Observe, plan, prepare; then change and observe again, until nothing is left or no more can be done.
    Result<Outcome> run() {
        PARTD_TRY(know_this_host());
        auto inspection = observe_and_plan();
        PARTD_TRY(inspection);
        PARTD_TRY(prepare(*inspection));
        Plan plan = remaining(std::move(*inspection));
        while (is_worth_a_round(plan)) {
            PARTD_TRY(carry_out(only_possible(std::move(plan))));
            inspection = observe_and_plan();  // verify: an empty plan is convergence
            PARTD_TRY(inspection);
            plan = remaining(std::move(*inspection));
        }
        conclude(std::move(plan));
        return std::move(outcome_);
    }

private:
    Result<> know_this_host() {
        auto self = check_host(host_, ledger_.get());
        PARTD_TRY(self);
        ledger_.set(kHostEntry, std::move(*self));
        return {};
    }

    // Before the first change: the processes that it will end are counted, too many removals are refused, and
    // the way back is kept.
    Result<> prepare(Inspection& view) {
        foretell(host_, view.plan);
        outcome_.plan = without(view.plan, {}, options_.paused);
        outcome_.refused = too_many_removals(ledger_.get(), outcome_.plan, options_);
        if (!outcome_.refused.empty()) {
            outcome_.refused += ": nothing was done; partctl apply --allow-delete if that is meant";
        }
        return outcome_.refused.empty() && !outcome_.plan.changes.empty() && options_.before_change
                   ? options_.before_change(view)
                   : Result<>();
    }

    // The changes that are still to be made; notes what else the plan says.
    Plan remaining(Inspection view) {
        outcome_.plan.conflicts = view.plan.conflicts;
        outcome_.plan.blocked = view.plan.blocked;
        forget_what_was_done(outcome_.execution, view.plan);
        note_left(view.plan);
        return without(std::move(view.plan), given_up_, options_.paused);
    }

    bool is_worth_a_round(const Plan& plan) const {
        constexpr int kMostRounds = 4;
        return !plan.changes.empty() && outcome_.refused.empty() && outcome_.rounds < kMostRounds &&
               progress_;
    }

    // Of the changes that are left those are told that were made and did not stay: one that failed, waits or
    // was refused has words of its own.
    void conclude(Plan plan) {
        outcome_.converged = plan.changes.empty() && outcome_.execution.failed.empty();
        if (outcome_.refused.empty()) {
            std::erase_if(plan.changes,
                          [&](const Change& change) { return !outcome_.execution.did(change.key); });
            outcome_.unsettled = {.changes = std::move(plan.changes)};
        }
    }

    void note_left(const Plan& plan) {
        outcome_.left.clear();
        for (const Change& change : given_up_.empty() ? std::vector<Change>() : plan.changes) {
            if (!options_.paused.contains(change.owner)) {
                outcome_.left.insert(change.key.text());
            }
        }
    }

    Result<Inspection> observe_and_plan() {
        Inspection view;
        if (options_.before_look) {
            options_.before_look();
        }
        PARTD_TRY(observe(host_, desired_, options_.scope, ledger_.get(), view));
        // Something else may hold on to what was meant to be made or removed: it stays on record until a look
        // is sure.
        record_look(view, desired_, options_.scope, ledger_);
        PARTD_TRY(ledger_.commit());
        view.plan = plan::diff(desired_, view.observed, {.only = options_.only, .removals = !view.hidden});
        return view;
    }

    // Prepare, then end: where what replaces something running cannot be made, nothing of its partition is
    // touched.
    Plan only_possible(Plan plan) {
        Execution refused{.failed = rehearse(host_, plan)};
        if (refused.failed.empty()) {
            return plan;
        }
        for (const auto& failed : refused.failed) {
            given_up_.insert(failed.change.key.text());
        }
        Plan rest = without(plan, given_up_, options_.paused);
        std::unordered_set<Key, KeyHash> stays;
        std::ranges::for_each(rest.changes, [&](const Change& change) { stays.insert(change.key); });
        const Culprits culprits(plan, refused.failed);
        for (std::size_t i = 0; i < plan.changes.size(); ++i) {
            const Change& change = plan.changes[i];
            if (!stays.contains(change.key) && change.action != Action::Remove && !culprits.has(change.key)) {
                refused.skipped.push_back({change, culprits.of(i), true});
            }
        }
        merge(outcome_.execution, std::move(refused));
        return rest;
    }

    Result<> carry_out(const Plan& plan) {
        const FormerEntries before = former_entries(plan, ledger_.get());
        record_intentions(plan, ledger_);
        PARTD_TRY(ledger_.commit());
        Execution round = execute(host_, plan);
        record_execution(plan, round, before, ledger_);
        PARTD_TRY(ledger_.commit());
        give_up(round);
        merge(outcome_.execution, std::move(round));
        ++outcome_.rounds;
        return {};
    }

    // Notes changes that failed for good. If nothing was done, waits a moment for passing obstacles.
    void give_up(const Execution& round) {
        bool passing = false;
        for (const auto& failed : round.failed) {
            passing |= is_passing(failed);
            if (!is_passing(failed)) {
                given_up_.insert(failed.change.key.text());
            }
        }
        for (const Change& postponed : round.postponed) {
            given_up_.insert(postponed.key.text());
        }
        progress_ = round.done > 0 || passing;
        constexpr std::chrono::milliseconds kPause{5};
        if (round.done == 0 && passing) {
            std::this_thread::sleep_for(kPause * (1 << outcome_.rounds));
        }
    }

    kernel::Host& host_;
    LedgerFile& ledger_;
    const State& desired_;
    const ApplyOptions& options_;
    Outcome outcome_;
    std::set<std::string> given_up_;
    bool progress_ = true;
};

}  // namespace

Result<Inspection> Reconciler::look(const State& desired, const std::string& only) {
    Inspection view;
    PARTD_TRY(ledger_.read());
    const Ledger& ledger = ledger_.get();
    PARTD_TRY(check_host(host_, ledger));
    PARTD_TRY(observe(host_, desired, {}, ledger, view));
    view.plan = plan::diff(desired, view.observed, {.only = only, .removals = !view.hidden});
    foretell(host_, view.plan);
    return view;
}

namespace {

// All that one partition or slice has.
Scope scope_of(const std::string& name) {
    Scope scope = Scope::nothing();
    for (const Kind* kind : pure_kinds()) {
        scope.add_own(*kind, name);
    }
    return scope;
}

// True if it changes nothing but what that partition or slice has.
bool stays_within(const Plan& plan, const std::string& name) {
    return plan.conflicts.empty() && plan.blocked.empty() &&
           std::ranges::all_of(plan.changes, [&](const Change& change) { return change.owner == name; });
}

}  // namespace

Result<std::optional<Inspection>> Reconciler::look_at(const State& desired, const std::string& name,
                                                      std::span<const LiveKind* const> kinds) {
    const DesiredIndex parts(desired);
    const Scope scope = parts.closed(scope_of(name));
    std::set<std::string> owners = scope.owners;
    owners.insert("");  // what several share
    PARTD_TRY(ledger_.read_of(owners));
    const Ledger& ledger = ledger_.get();
    PARTD_TRY(check_host(host_, ledger));
    if (ledger.lost) {
        return std::nullopt;  // only everything tells what is ours
    }
    const State part = parts.part(desired, scope);
    Inspection view;
    PARTD_TRY(observe(host_, part, scope, ledger, view, kinds.empty() ? live_kinds() : kinds));
    if (!kinds.empty()) {
        return view;
    }
    view.plan = plan::diff(part, view.observed, {.only = name, .removals = !view.hidden});
    if (!stays_within(view.plan, name)) {
        return std::nullopt;
    }
    foretell(host_, view.plan);
    return view;
}

Result<Outcome> Reconciler::apply(const State& desired, const ApplyOptions& options) {
    auto lock = host_.lock();
    PARTD_TRY(lock);
    ApplyOptions narrowed = options;
    PARTD_TRY(ledger_.read());
    if (ledger_.get().lost) {
        narrowed.scope = {};  // only everything tells what is ours
    }
    if (narrowed.scope.all) {
        return Apply(host_, ledger_, desired, narrowed).run();
    }
    add_unwanted(ledger_.get(), *options.parts, narrowed.scope);
    narrowed.scope = options.parts->closed(std::move(narrowed.scope));
    return Apply(host_, ledger_, options.parts->part(desired, narrowed.scope), narrowed).run();
}

}  // namespace partd
