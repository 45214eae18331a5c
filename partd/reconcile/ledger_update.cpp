// SPDX-License-Identifier: Apache-2.0
#include "reconcile/ledger_update.h"

#include "kinds/kinds.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <set>

namespace partd {

namespace {

using EntryName = Ledger::NameView;

EntryName name_of(const Key& key) {
    return {key.kind->name, key.name};
}

std::map<std::string_view, const Kind*> kinds_by_name() {
    std::map<std::string_view, const Kind*> all;
    for (const Kind* kind : pure_kinds()) {
        all.emplace(kind->name, kind);
    }
    return all;
}

// The entries that a look would have found again, had their objects still been there.
std::vector<EntryName> looked_at(const Ledger& ledger, const Scope& scope, const State& desired) {
    static const auto kKinds = kinds_by_name();
    std::vector<EntryName> names;
    const auto take = [&](EntryName name, const std::string& owner) {
        const auto kind = kKinds.find(name.first);
        const bool covered = kind == kKinds.end()
                                 ? scope.all
                                 : scope.covers(*kind->second, owner) ||
                                       desired.find({kind->second, std::string(name.second)}) != nullptr;
        if (covered && name != kHostEntry) {
            names.push_back(name);
        }
    };
    if (scope.all || !scope.channels.empty()) {
        ledger.for_all([&](EntryName name, const LedgerEntry& entry) { take(name, entry.owner); });
        return names;
    }
    std::set<std::string> owners = scope.owners;
    std::ranges::transform(desired.all(), std::inserter(owners, owners.end()), &Resource::owner);
    for (const std::string& owner : owners) {
        std::ranges::for_each(ledger.of_owner(owner), [&](EntryName name) { take(name, owner); });
    }
    return names;
}

// True if the object may exist in a namespace that could not be looked at: of its owner, or of the partition
// with whose name the object's name begins.
bool is_out_of_sight(const Inspection& view, EntryName name, const LedgerEntry& entry) {
    return view.unreadable.contains(entry.owner) ||
           view.unreadable.contains(std::string(name.second.substr(0, name.second.find_first_of("/ "))));
}

// Creation failed: restores the previous entry; whatever has the name is still that object.
void take_back(EntryName name, const FormerEntries& before, LedgerFile& file) {
    if (const auto old = before.find(name); old != before.end()) {
        file.set(name, old->second);
    } else {
        file.erase(name);
    }
}

// After a failed change either the new or the previous object may have this name: records both identities.
void learn(EntryName name, const std::string& identity, const FormerEntries* before, LedgerFile& file) {
    const LedgerEntry* known = file.get().find(name);
    LedgerEntry entry = known == nullptr ? LedgerEntry() : *known;
    entry.identity = identity;
    if (before != nullptr && before->contains(name)) {
        entry.identity += " " + before->at(name).identity;
    }
    file.set(name, std::move(entry));
}

}  // namespace

Result<LedgerEntry> check_host(kernel::Host& host, const Ledger& ledger) {
    auto netns = host.netns("");
    PARTD_TRY(netns);
    const std::string cookie = std::to_string((*netns)->cookie());
    const LedgerEntry* known = ledger.find(kHostEntry);
    if (known != nullptr && known->identity != cookie) {
        return fail(
            "this is another network namespace than the one that partd made its objects from: run it there "
            "(on the host, not inside a partition)");
    }
    return LedgerEntry{.identity = cookie, .owner = "", .since = {}};
}

void record_look(Inspection& view, const State& desired, const Scope& scope, LedgerFile& file) {
    std::vector<EntryName> seen;
    const auto time = std::chrono::system_clock::now();
    for (const Resource& found : view.observed.all()) {
        const EntryName name = name_of(found.key);
        const LedgerEntry* old = file.get().find(name);
        if (found.ownership == Ownership::Ours) {
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
    for (const EntryName& name : looked_at(file.get(), scope, desired)) {
        if (!std::ranges::binary_search(seen, name) && !is_out_of_sight(view, name, *file.get().find(name))) {
            file.erase(name);
        }
    }
}

void record_intentions(const Plan& plan, LedgerFile& file) {
    const auto time = std::chrono::system_clock::now();
    for (const Change& change : plan.changes) {
        if (change.action == Action::Create) {
            file.set(name_of(change.key), {.identity = "", .owner = change.owner, .since = time});
        }
    }
}

FormerEntries former_entries(const Plan& plan, const Ledger& ledger) {
    FormerEntries before;
    for (const Change& change : plan.changes) {
        if (const LedgerEntry* old = ledger.find(name_of(change.key))) {
            before.emplace(name_of(change.key), *old);
        }
    }
    return before;
}

void record_execution(const Plan& plan, const Execution& done, const FormerEntries& before,
                      LedgerFile& file) {
    for (const Key& key : done.removed) {
        file.erase(name_of(key));
    }
    // A replaced object was removed and made: its new entry is an intention again.
    record_intentions(plan, file);
    for (const auto& failed : done.failed) {
        // A creation that failed for another reason may have left a part behind, which is ours to finish or
        // remove.
        const auto is_it = [&](const auto& learnt) { return learnt.first == failed.change.key; };
        if (failed.change.action == Action::Create && failed.error.code == EEXIST &&
            std::ranges::none_of(done.learnt, is_it)) {
            take_back(name_of(failed.change.key), before, file);
        }
    }
    for (const auto& learnt : done.learnt) {
        const auto key_of = [](const auto& failed) -> const Key& { return failed.change.key; };
        const bool failed = std::ranges::find(done.failed, learnt.first, key_of) != done.failed.end();
        learn(name_of(learnt.first), learnt.second, failed ? &before : nullptr, file);
    }
}

}  // namespace partd
