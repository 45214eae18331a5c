#include "reconcile/reconciler.h"

#include "kernel/files.h"
#include "kinds/kinds.h"
#include "plan/diff.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

namespace partd {

namespace {

using Name = Ledger::NameView;

Name name_of(const Key& key) {
    return {key.kind->name, key.name};
}

// What was seen only because something that is looked at needs it is not judged.
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
                 View& view) {
    host.doubt_all();
    Look look{.host = host, .desired = desired, .ledger = ledger, .observed = view.observed, .scope = scope};
    for (const LiveKind* kind : live_kinds()) {
        if (kind->observe == nullptr || !scope.covers(kind->kind)) {
            continue;
        }
        if (auto looked = kind->observe(look); !looked) {
            return std::unexpected(
                std::move(looked).error().wrap(fmt::format("look at {}", kind->kind.name)));
        }
    }
    if (!scope.all) {
        keep_scope(desired, scope, view.observed);
    }
    view.hidden = look.hidden;
    view.unreadable = std::move(look.unreadable);
    return {};
}

// The namespace that is the host: the same names elsewhere are other objects.
constexpr Name kHost{"host", "netns"};

Result<LedgerEntry> check_host(kernel::Host& host, const Ledger& ledger) {
    auto netns = host.netns("");
    PARTD_TRY(netns);
    const std::string cookie = std::to_string((*netns)->cookie());
    const LedgerEntry* known = ledger.find(kHost);
    if (known != nullptr && known->identity != cookie) {
        return fail(
            "this is another network namespace than the one that partd made its objects from: run it there "
            "(on the host, not inside a partition)");
    }
    return LedgerEntry{.identity = cookie, .owner = "", .since = {}};
}

std::map<std::string_view, const Kind*> kinds_by_name() {
    std::map<std::string_view, const Kind*> all;
    for (const Kind* kind : pure_kinds()) {
        all.emplace(kind->name, kind);
    }
    return all;
}

// The entries that a look would have found again, had their objects still been there.
std::vector<Name> looked_at(const Ledger& ledger, const Scope& scope, const State& desired) {
    static const auto kKinds = kinds_by_name();
    std::vector<Name> names;
    const auto take = [&](Name name, const std::string& owner) {
        const auto kind = kKinds.find(name.first);
        const bool covered = kind == kKinds.end()
                                 ? scope.all
                                 : scope.covers(*kind->second, owner) ||
                                       desired.find({kind->second, std::string(name.second)}) != nullptr;
        if (covered && name != kHost) {
            names.push_back(name);
        }
    };
    if (scope.all || !scope.channels.empty()) {
        ledger.for_all([&](Name name, const LedgerEntry& entry) { take(name, entry.owner); });
        return names;
    }
    std::set<std::string> owners = scope.owners;
    std::ranges::transform(desired.all(), std::inserter(owners, owners.end()), &Resource::owner);
    for (const std::string& owner : owners) {
        std::ranges::for_each(ledger.of_owner(owner), [&](Name name) { take(name, owner); });
    }
    return names;
}

// Whether it may well be there, in a namespace that could not be looked at: of its owner, or of the partition
// in whose namespace it is, with which the names of such objects begin.
bool is_out_of_sight(const View& view, Name name, const LedgerEntry& entry) {
    return view.unreadable.contains(entry.owner) ||
           view.unreadable.contains(std::string(name.second.substr(0, name.second.find_first_of("/ "))));
}

// Puts into the ledger what is known for certain after a look: our objects that are there, since when.
void confirm(View& view, const State& desired, const Scope& scope, LedgerFile& file) {
    std::vector<Name> seen;
    const auto time = std::chrono::system_clock::now();
    for (const Resource& found : view.observed.all()) {
        const Name name = name_of(found.key);
        const LedgerEntry* old = file.get().find(name);
        if (found.standing == Standing::Ours) {
            seen.push_back(name);
            if (old == nullptr && !file.get().lost) {
                view.taken.emplace(name);
            }
            file.set(name, {.identity = found.identity,
                            .owner = found.owner,
                            .since = old != nullptr ? old->since : time});
        } else if (found.marked) {
            // Our mark on something that is not ours now (an intention that failed, say): what was known
            // stays known.
            seen.push_back(name);
        }
    }
    if (view.hidden) {
        return;
    }
    std::ranges::sort(seen);
    for (const Name& name : looked_at(file.get(), scope, desired)) {
        if (!std::ranges::binary_search(seen, name) && !is_out_of_sight(view, name, *file.get().find(name))) {
            file.erase(name);
        }
    }
}

// Written before anything is made: whatever happens then, the ledger knows of it.
void add_intentions(const Plan& plan, LedgerFile& file) {
    const auto time = std::chrono::system_clock::now();
    for (const Change& change : plan.changes) {
        if (change.action == Action::Create) {
            file.set(name_of(change.key), {.identity = "", .owner = change.owner, .since = time});
        }
    }
}

// Partitions and slices that would go, of those that are there.
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
    ledger.for_all([&](Name, const LedgerEntry& entry) { there.insert(entry.owner); });
    there.erase("");
    const auto percent = static_cast<std::int64_t>(leaving.size() * 100);
    if (percent <= options.delete_limit * static_cast<std::int64_t>(there.size())) {
        return {};
    }
    return fmt::format(
        "{} of {} partitions and slices would be removed, more than the delete limit of {} %: nothing was "
        "done; "
        "partctl apply --allow-delete if that is meant",
        leaving.size(), there.size(), options.delete_limit);
}

// A name that is being freed or an object that changed meanwhile: worth another look.
bool is_passing(const Error& error) {
    return error.code == EEXIST || error.code == EBUSY || error.code == ENODEV || error.code == ENOENT ||
           error.code == ENETUNREACH;
}

// Takes out what failed for good in an earlier round or belongs to whom nothing is done, and what comes after
// it.
Plan without(Plan plan, const std::set<std::string>& given_up, const std::set<std::string>& paused) {
    std::vector<bool> out(plan.changes.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto& after = plan.changes[i].after;
        out[i] = paused.contains(plan.changes[i].owner) || given_up.contains(plan.changes[i].key.text()) ||
                 std::ranges::any_of(after, [&](std::size_t before) { return out[before]; });
    }
    std::vector<std::size_t> position(out.size());
    std::vector<Change> kept;
    for (std::size_t i = 0; i < out.size(); ++i) {
        position[i] = kept.size();
        if (!out[i]) {
            kept.push_back(std::move(plan.changes[i]));
            for (std::size_t& before : kept.back().after) {
                before = position[before];
            }
        }
    }
    plan.changes = std::move(kept);
    return plan;
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

// What is not needed any more is no failure: a later round did it.
void forget_what_was_done(Execution& all, const Plan& left) {
    const auto done = [&](const auto& entry) {
        return std::ranges::find(left.changes, entry.change.key, &Change::key) == left.changes.end();
    };
    std::erase_if(all.failed, done);
    std::erase_if(all.skipped, done);
}

class Apply {
public:
    Apply(kernel::Host& host, LedgerFile& ledger, const State& desired, const ApplyOptions& options)
        : host_(host), ledger_(ledger), desired_(desired), options_(options), given_up_(options.held) {}

    Result<Outcome> run() {
        auto self = check_host(host_, ledger_.read());
        PARTD_TRY(self);
        ledger_.set(kHost, std::move(*self));
        constexpr int kMostRounds = 4;
        for (int round = 0; round <= kMostRounds; ++round) {
            auto view = observe_and_plan();
            PARTD_TRY(view);
            if (round == 0) {
                PARTD_TRY(begin(*view));
            }
            outcome_.plan.conflicts = view->plan.conflicts;
            outcome_.plan.blocked = view->plan.blocked;
            forget_what_was_done(outcome_.execution, view->plan);
            note_left(view->plan);
            Plan plan = without(std::move(view->plan), given_up_, options_.paused);
            outcome_.converged = plan.changes.empty();
            if (plan.changes.empty() || !outcome_.refused.empty() || round == kMostRounds || !progress_) {
                break;
            }
            PARTD_TRY(carry_out(plan));
            ++outcome_.rounds;
        }
        return std::move(outcome_);
    }

private:
    Result<> begin(const View& view) {
        outcome_.plan = without(view.plan, {}, options_.paused);
        outcome_.refused = too_many_removals(ledger_.get(), outcome_.plan, options_);
        return outcome_.refused.empty() && !outcome_.plan.changes.empty() && options_.before_change
                   ? options_.before_change(view)
                   : Result<>();
    }

    void note_left(const Plan& plan) {
        outcome_.left.clear();
        for (const Change& change : given_up_.empty() ? std::vector<Change>() : plan.changes) {
            if (!options_.paused.contains(change.owner)) {
                outcome_.left.insert(change.key.text());
            }
        }
    }

    Result<View> observe_and_plan() {
        View view;
        if (options_.before_look) {
            options_.before_look();
        }
        PARTD_TRY(observe(host_, desired_, options_.scope, ledger_.get(), view));
        // Something else may hold on to what was meant to be made or removed: it stays on record until a look
        // is sure.
        confirm(view, desired_, options_.scope, ledger_);
        PARTD_TRY(ledger_.commit());
        view.plan = plan::diff(desired_, view.observed, {.only = options_.only, .removals = !view.hidden});
        return view;
    }

    Result<> carry_out(const Plan& plan) {
        std::map<Name, LedgerEntry> before;
        for (const Change& change : plan.changes) {
            if (const LedgerEntry* old = ledger_.get().find(name_of(change.key))) {
                before.emplace(name_of(change.key), *old);
            }
        }
        add_intentions(plan, ledger_);
        PARTD_TRY(ledger_.commit());
        Execution round = execute(host_, plan);
        for (const Key& key : round.removed) {
            ledger_.erase(name_of(key));
        }
        // A replaced object was removed and made: its new entry is an intention again.
        add_intentions(plan, ledger_);
        for (const auto& failed : round.failed) {
            // Of what failed for another reason a part may stand, and is ours to finish or to remove.
            const auto is_it = [&](const auto& learnt) { return learnt.first == failed.change.key; };
            if (failed.change.action == Action::Create && failed.error.code == EEXIST &&
                std::ranges::none_of(round.learnt, is_it)) {
                take_back(name_of(failed.change.key), before);
            }
        }
        for (const auto& [key, identity] : round.learnt) {
            const auto is_it = [&](const auto& failed) { return failed.change.key == key; };
            learn(name_of(key), identity, std::ranges::any_of(round.failed, is_it) ? &before : nullptr);
        }
        PARTD_TRY(ledger_.commit());
        give_up(round);
        merge(outcome_.execution, std::move(round));
        return {};
    }

    // What failed for good; with nothing done, what holds up the rest gets a moment to pass.
    void give_up(const Execution& round) {
        bool passing = false;
        for (const auto& failed : round.failed) {
            passing |= is_passing(failed.error);
            if (!is_passing(failed.error)) {
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

    // What was not made is not expected to be found; what has the name is what it was before.
    void take_back(Name name, const std::map<Name, LedgerEntry>& before) {
        if (const auto old = before.find(name); old != before.end()) {
            ledger_.set(name, old->second);
        } else {
            ledger_.erase(name);
        }
    }

    // Of what failed the new one may stand, or still the one `before`, which has the name.
    void learn(Name name, const std::string& identity, const std::map<Name, LedgerEntry>* before) {
        const LedgerEntry* known = ledger_.get().find(name);
        LedgerEntry entry = known == nullptr ? LedgerEntry() : *known;
        entry.identity = identity;
        if (before != nullptr && before->contains(name)) {
            entry.identity += " " + before->at(name).identity;
        }
        ledger_.set(name, std::move(entry));
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

Result<View> Reconciler::look(const State& desired, const std::string& only) {
    View view;
    const Ledger& ledger = ledger_.read();
    PARTD_TRY(check_host(host_, ledger));
    PARTD_TRY(observe(host_, desired, {}, ledger, view));
    view.plan = plan::diff(desired, view.observed, {.only = only, .removals = !view.hidden});
    return view;
}

Result<Outcome> Reconciler::apply(const State& desired, const ApplyOptions& options) {
    PARTD_TRY(kernel::make_directories(host_.paths().state()));
    auto lock = kernel::lock_file(host_.paths().lock());
    PARTD_TRY(lock);
    ApplyOptions narrowed = options;
    if (ledger_.read().lost) {
        narrowed.scope = {};  // only everything tells what is ours
    }
    if (narrowed.scope.all) {
        return Apply(host_, ledger_, desired, narrowed).run();
    }
    narrowed.scope = options.parts->closed(std::move(narrowed.scope));
    return Apply(host_, ledger_, options.parts->part(desired, narrowed.scope), narrowed).run();
}

}  // namespace partd
