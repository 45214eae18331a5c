#include "reconcile/reconciler.h"

#include "kernel/files.h"
#include "kinds/kinds.h"
#include "plan/diff.h"
#include "reconcile/ledger_file.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

Result<> observe(kernel::Host& host, const State& desired, const Ledger& ledger, View& view) {
    host.forget_all();
    Look look{.host = host, .desired = desired, .ledger = ledger, .observed = view.observed};
    for (const LiveKind* kind : live_kinds()) {
        if (kind->observe == nullptr) {
            continue;
        }
        if (auto looked = kind->observe(look); !looked) {
            return std::unexpected(
                std::move(looked).error().wrap(fmt::format("look at {}", kind->kind.name)));
        }
    }
    view.hidden = look.hidden;
    return {};
}

// The namespace that is the host: the same names elsewhere are other objects.
constexpr char kHost[] = "host";

Result<> check_host(kernel::Host& host, Ledger& ledger) {
    auto netns = host.netns("");
    PARTD_TRY(netns);
    const std::string cookie = std::to_string((*netns)->cookie());
    const LedgerEntry* known = ledger.find(kHost, "netns");
    if (known != nullptr && known->identity != cookie) {
        return fail(
            "this is another network namespace than the one that partd made its objects from: run it there "
            "(on the host, not inside a partition)");
    }
    ledger.entries[{kHost, "netns"}] = {.identity = cookie, .owner = "", .since = {}};
    return {};
}

// What is known for certain after a look: our objects that are there, since when.
Ledger confirmed(const View& view, const Ledger& before) {
    Ledger now;
    const auto time = std::chrono::system_clock::now();
    for (const Resource& found : view.observed.all()) {
        // Our mark on something that is not ours now (an intention that failed, say): what was known stays
        // known.
        const bool uncertain = found.standing == Standing::Foreign && found.marked;
        if (const auto* known = uncertain ? before.find(found.key.kind->name, found.key.name) : nullptr) {
            now.entries[{std::string(found.key.kind->name), found.key.name}] = *known;
        }
        if (found.standing == Standing::Ours) {
            const LedgerEntry* old = before.find(found.key.kind->name, found.key.name);
            now.entries[{std::string(found.key.kind->name), found.key.name}] = {
                .identity = found.identity,
                .owner = found.owner,
                .since = old != nullptr ? old->since : time};
        }
    }
    now.entries[{kHost, "netns"}] = before.entries.at({kHost, "netns"});
    if (view.hidden) {
        now.entries.insert(before.entries.begin(), before.entries.end());
    }
    return now;
}

// Written before anything is made: whatever happens then, the ledger knows of it.
void add_intentions(const Plan& plan, Ledger& ledger) {
    const auto time = std::chrono::system_clock::now();
    for (const Change& change : plan.changes) {
        if (change.action == Action::Create) {
            auto& entry = ledger.entries[{std::string(change.key.kind->name), change.key.name}];
            entry = {.identity = "", .owner = change.owner, .since = time};
        }
    }
}

// Partitions and slices that would go, of those that are there.
std::string too_many_removals(const View& view, const Plan& plan, const ApplyOptions& options) {
    constexpr std::size_t kFew = 3;
    std::set<std::string> there;
    std::set<std::string> leaving;
    for (const Resource& found : view.observed.all()) {
        if (found.standing == Standing::Ours && !found.owner.empty()) {
            there.insert(found.owner);
        }
    }
    for (const Change& change : plan.changes) {
        if (change.action == Action::Remove && change.key.kind->counts && !change.owner.empty()) {
            leaving.insert(change.owner);
        }
    }
    const auto percent = static_cast<std::int64_t>(leaving.size() * 100);
    if (options.allow_delete || leaving.size() <= kFew ||
        percent <= options.delete_limit * static_cast<std::int64_t>(there.size())) {
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

// Takes out what failed for good in an earlier round, and what comes after it.
Plan without(Plan plan, const std::set<std::string>& given_up) {
    std::vector<bool> out(plan.changes.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto& after = plan.changes[i].after;
        out[i] = given_up.contains(plan.changes[i].key.text()) ||
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
    Apply(kernel::Host& host, const State& desired, const ApplyOptions& options)
        : host_(host), desired_(desired), options_(options), given_up_(options.held) {}

    Result<Outcome> run() {
        ledger_ = read_ledger(host_.paths().ledger());
        PARTD_TRY(check_host(host_, ledger_));
        constexpr int kMostRounds = 4;
        for (int round = 0; round <= kMostRounds; ++round) {
            auto view = observe_and_plan();
            PARTD_TRY(view);
            if (round == 0) {
                outcome_.plan = view->plan;
                outcome_.refused = too_many_removals(*view, view->plan, options_);
            }
            outcome_.plan.conflicts = view->plan.conflicts;
            outcome_.plan.blocked = view->plan.blocked;
            forget_what_was_done(outcome_.execution, view->plan);
            Plan plan = without(std::move(view->plan), given_up_);
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
    Result<View> observe_and_plan() {
        View view;
        if (options_.before_look) {
            options_.before_look();
        }
        PARTD_TRY(observe(host_, desired_, ledger_, view));
        Ledger now = confirmed(view, ledger_);
        // Something else may hold on to what was meant to be made or removed: it stays on record until a look
        // is sure.
        if (now.entries != ledger_.entries || ledger_.lost) {
            PARTD_TRY(write_ledger(host_.paths().ledger(), now));
        }
        ledger_ = std::move(now);
        view.plan = plan::diff(desired_, view.observed, {.only = options_.only, .removals = !view.hidden});
        return view;
    }

    Result<> carry_out(const Plan& plan) {
        const Ledger before = ledger_;
        add_intentions(plan, ledger_);
        PARTD_TRY(write_ledger(host_.paths().ledger(), ledger_));
        Execution round = execute(host_, plan);
        for (const Key& key : round.removed) {
            ledger_.entries.erase({std::string(key.kind->name), key.name});
        }
        // A replaced object was removed and made: its new entry is an intention again.
        add_intentions(plan, ledger_);
        for (const auto& failed : round.failed) {
            if (failed.change.action == Action::Create) {
                take_back(failed.change.key, before);
            }
        }
        for (const auto& [key, identity] : round.learnt) {
            ledger_.entries[{std::string(key.kind->name), key.name}].identity = identity;
        }
        PARTD_TRY(write_ledger(host_.paths().ledger(), ledger_));
        for (const auto& failed : round.failed) {
            if (!is_passing(failed.error)) {
                given_up_.insert(failed.change.key.text());
            }
        }
        progress_ = round.done > 0;
        merge(outcome_.execution, std::move(round));
        return {};
    }

    // What was not made is not expected to be found; what has the name is what it was before.
    void take_back(const Key& key, const Ledger& before) {
        const std::pair name(std::string(key.kind->name), key.name);
        const auto old = before.entries.find(name);
        if (old != before.entries.end()) {
            ledger_.entries[name] = old->second;
        } else {
            ledger_.entries.erase(name);
        }
    }

    kernel::Host& host_;
    const State& desired_;
    const ApplyOptions& options_;
    Ledger ledger_;
    Outcome outcome_;
    std::set<std::string> given_up_;
    bool progress_ = true;
};

}  // namespace

Result<View> look(kernel::Host& host, const State& desired, const std::string& only) {
    View view;
    view.ledger = read_ledger(host.paths().ledger());
    PARTD_TRY(check_host(host, view.ledger));
    PARTD_TRY(observe(host, desired, view.ledger, view));
    view.plan = plan::diff(desired, view.observed, {.only = only, .removals = !view.hidden});
    return view;
}

Result<Outcome> reconcile(kernel::Host& host, const State& desired, const ApplyOptions& options) {
    PARTD_TRY(kernel::make_directories(host.paths().state()));
    auto lock = kernel::lock_file(host.paths().lock());
    PARTD_TRY(lock);
    return Apply(host, desired, options).run();
}

}  // namespace partd
