// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/table.h"

#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

using namespace nat;

constexpr Field kFields[] = {
    field<&NatTable::chains>("chains", "its chains", {.live = true}),
    field<&NatTable::sets>("sets", "its sets and maps", {.live = true}),
    field<&NatTable::rules>("rules", "its rules, in order", {.live = true}),
    field<&NatTable::dormant>("dormant", "it does nothing", {.live = true}),
};

std::string rule_name(const std::string& chain, const std::string& comment) {
    return chain + ": " + comment;
}

// Chain by chain, as the kernel lists them; within a chain the order counts.
void sort_by_chain(std::vector<std::string>& names) {
    std::ranges::stable_sort(names, {},
                             [](const std::string& name) { return name.substr(0, name.find(": ")); });
}

// A rule that masquerades asks whether the packet goes back to where it is from.
void add_back_sets(std::set<std::string>& sets) {
    const auto used = sets;
    for (const std::string& name : used) {
        if (auto prefix = PrefixSet::parse(name); prefix && prefix->role == nat::Role::Masquerade) {
            prefix->role = nat::Role::Back;
            sets.insert(prefix->name());
        }
    }
}

std::set<std::string> wanted_sets(const State& desired) {
    auto sets = sets_in_use(desired);
    for (const std::string& set : fixed_sets()) {
        sets.insert(set);
    }
    add_back_sets(sets);
    return sets;
}

void complete(const Declared&, State& desired, Diagnostics&) {
    Resource resource{.key = table_key()};
    for (const Resource& entry : desired.all()) {
        if (elements_of(entry.spec) != nullptr) {
            resource.source = resource.source ? resource.source : entry.source;
        }
    }
    if (!resource.source) {
        return;  // nobody needs it
    }
    const auto sets = wanted_sets(desired);
    NatTable table{.chains = {}, .sets = {sets.begin(), sets.end()}, .rules = {}};
    for (const auto& chain : chains()) {
        table.chains.push_back(chain.name);
    }
    std::ranges::sort(table.chains);
    for (const auto& rule : rules(sets)) {
        table.rules.push_back(rule_name(rule.chain, rule.comment));
    }
    sort_by_chain(table.rules);
    resource.spec = Spec(std::move(table));
    desired.add(std::move(resource));
}

// Sets that nobody uses any more are told, so that they go; one that still has elements waits for the next
// look.
Result<std::vector<std::string>> sets_to_tell(kernel::nft::Nftables& nftables,
                                              const kernel::nft::TableView& view, const NatTable* wanted) {
    std::vector<std::string> sets;
    for (const std::string& name : view.sets) {
        const bool used = wanted != nullptr && std::ranges::find(wanted->sets, name) != wanted->sets.end();
        if (used) {
            sets.push_back(name);
        } else if (nat::set_of(name)) {
            auto elements = nftables.elements(kTableName, name);
            PARTD_TRY(elements);
            if (elements->empty()) {
                sets.push_back(name);
            }
        }
    }
    return sets;
}

Result<> observe(Observation& observation) {
    auto nftables = observation.host.nftables();
    if (!nftables && nftables.error().code == EPROTONOSUPPORT) {
        return {};  // this kernel has none: nothing is there, and who wants a table is told so
    }
    PARTD_TRY(nftables);
    auto view = (*nftables)->look(kTableName);
    PARTD_TRY(view);
    if (!*view) {
        return {};
    }
    const Resource* wanted = observation.desired.find(table_key());
    NatTable table{.chains = {}, .sets = {}, .rules = {}, .dormant = (*view)->dormant};
    table.chains.assign((*view)->chains.begin(), (*view)->chains.end());
    std::ranges::sort(table.chains);
    auto sets = sets_to_tell(**nftables, **view, wanted == nullptr ? nullptr : &wanted->spec.as<NatTable>());
    PARTD_TRY(sets);
    table.sets = std::move(*sets);
    // One of ours for a set that waits is not told; one of somebody else's has no comment of ours and is a
    // difference.
    const std::set<std::string> told(table.sets.begin(), table.sets.end());
    for (const auto& rule : (*view)->rules) {
        const bool waits = comes_and_goes(rule.comment) && !told.contains(rule.comment);
        if (!waits) {
            table.rules.push_back(rule_name(rule.chain, rule.comment));
        }
    }
    sort_by_chain(table.rules);
    const Resource& found =
        observation.add({.key = table_key(),
                         .spec = Spec(std::move(table)),
                         .marked = (*view)->comment == kTableComment,
                         .holder = "the nftables table inet partd exists and was not made by partd"});
    if (found.ownership == Ownership::Ours) {
        observation.nftables = std::move(*view);
    }
    return {};
}

using kernel::nft::Transaction;

void create(Transaction& transaction, std::size_t number, const NatTable& table) {
    transaction.add_table(number, kTableComment);
    for (const auto& chain : chains()) {
        transaction.add_chain(number, chain);
    }
    for (const std::string& name : table.sets) {
        transaction.add_set(number, *set_of(name));
    }
    for (const auto& rule : rules({table.sets.begin(), table.sets.end()})) {
        transaction.add_rule(number, rule);
    }
}

// The wanted sets, those that still have elements, and what the rules of either ask.
Result<std::set<std::string>> sets_to_keep(kernel::nft::Nftables& nftables,
                                           const kernel::nft::TableView& view, const NatTable& wanted) {
    std::set<std::string> sets(wanted.sets.begin(), wanted.sets.end());
    for (const std::string& name : view.sets) {
        if (!sets.contains(name) && set_of(name)) {
            auto elements = nftables.elements(kTableName, name);
            PARTD_TRY(elements);
            if (!elements->empty()) {
                sets.insert(name);
            }
        }
    }
    add_back_sets(sets);
    return sets;
}

// Replaces all rules in one transaction: their order matters, and they hold no counters. Foreign rules in
// this table are removed too: they would undo what the files declare.
Result<> update(ApplyContext& context, std::size_t number, const NatTable& wanted) {
    auto nftables = context.host.nftables();
    PARTD_TRY(nftables);
    auto view = (*nftables)->look(kTableName);
    PARTD_TRY(view);
    if (!*view || (*view)->comment != kTableComment) {
        return fail(ENOENT, "the table changed meanwhile");
    }
    Transaction& transaction = context.batch.nftables();
    if ((*view)->dormant) {
        transaction.wake_table(number);
    }
    for (const auto& rule : (*view)->rules) {
        transaction.remove_rule(number, rule.chain, rule.handle);
    }
    const auto is_ours = [](const std::string& name) {
        return std::ranges::find(chains(), name, &kernel::nft::Chain::name) != chains().end();
    };
    for (const std::string& name : (*view)->chains) {
        if (!is_ours(name)) {
            transaction.remove_chain(number, name);
        }
    }
    for (const auto& chain : chains()) {
        if (!(*view)->chains.contains(chain.name)) {
            transaction.add_chain(number, chain);
        }
    }
    auto kept = sets_to_keep(**nftables, **view, wanted);
    PARTD_TRY(kept);
    const std::set<std::string>& sets = *kept;
    for (const std::string& name : (*view)->sets) {
        if (!sets.contains(name) && set_of(name)) {
            transaction.remove_set(number, name);
        }
    }
    for (const std::string& name : sets) {
        if (!(*view)->sets.contains(name)) {
            transaction.add_set(number, *set_of(name));
        }
    }
    for (const auto& rule : rules(sets)) {
        transaction.add_rule(number, rule);
    }
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    switch (change.action) {
        case Action::Create:
            create(context.batch.nftables(), number, change.wanted.as<NatTable>());
            return {};
        case Action::Update:
            return update(context, number, change.wanted.as<NatTable>());
        case Action::Remove:
            context.batch.nftables().remove_table(number);
            return {};
    }
    return {};
}

}  // namespace

constinit const Table NatTable::table = {"nftables", "The table inet partd: chains, sets and rules.",
                                         kFields};

Key table_key() {
    return {&kTable.kind, "inet partd"};
}

constinit const LiveKind kTable = {
    .kind = {.name = "nftables",
             .complete = complete,
             .channel = "nftables",
             .front = "the host's firewall: nftables inet partd"},
    .observe = observe,
    .apply = apply,
    .watch = [](const Resource&, kernel::Host&,
                std::vector<std::string>& topics) { topics.push_back(kernel::table_topic(kTableName)); },
};

}  // namespace partd
