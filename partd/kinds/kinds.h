// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/batch.h"
#include "kernel/host.h"
#include "kernel/netlink/conntrack.h"
#include "kernel/netlink/own_routes.h"
#include "model/kind.h"
#include "model/ledger.h"
#include "model/plan.h"
#include "model/scope.h"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace partd {

// One look at the live host: with what, for what, and what was found.
struct Observation {
    kernel::Host& host;
    const State& desired;
    const Ledger& ledger;
    State& observed;
    Scope scope = {};
    std::vector<std::string> netns = {};  // our network namespaces that are there; found by their kind
    bool hidden = false;                  // the namespaces cannot be seen now: nothing is believed to be gone
    std::optional<kernel::nft::TableView> nftables = {};  // our table; found by its kind
    std::optional<std::vector<kernel::MarkedGroup>> listed_groups = {};
    std::set<std::string> unreadable = {};  // owners of what could not be looked at: nothing in it was seen

    // Adds what was found, and tells whose it is: ours when the kernel has our mark on it and the ledger
    // knows this very object; a mark alone is enough when the ledger was lost, and the ledger alone for an
    // object that is wanted (its mark is put back). `former`: another name by which the ledger may know it.
    Resource& add(Resource resource, const std::string& former = {});
    // Adds something that has a wanted name and is not ours.
    void add_foreign(const Resource& wanted, std::string holder);
    // Adds something of ours that cannot be looked at now: left alone, and not forgotten.
    void add_unreadable(const Key& key, Spec spec, const std::string& owner, const Error& why);
    // The names of that kind that are wanted, or that partd made.
    [[nodiscard]] std::set<std::string> names_of(const Kind& kind) const;
    // The control groups that bear our mark, listed once; an error when they cannot all be listed.
    [[nodiscard]] Result<std::span<const kernel::MarkedGroup>> groups();
    // The kernel's addresses and routes, listed once: of a partition all; of the host those of one interface,
    // or of all for index 0, with only the routes that the kernel made.
    struct Told {
        std::vector<kernel::StoredReply> addresses;
        std::vector<kernel::StoredReply> routes;
        kernel::AddressedLinks links;
    };
    [[nodiscard]] Result<Told*> told(const std::string& name, int index = 0);
    std::map<std::pair<std::string, int>, Told> listed = {};
    // Calls `each(name, entry)` for all that the ledger knows of that kind within the scope.
    template <class Each>
    void for_known(const Kind& kind, Each each) const {
        if (scope.all || !kind.channel.empty()) {
            ledger.for_kind(kind.name, [&](const std::string& name, const LedgerEntry& entry) {
                if (scope.covers(kind, entry.owner)) {
                    each(name, entry);
                }
            });
            return;
        }
        for (const std::string& owner : scope.owners) {
            for (const Ledger::NameView& name : ledger.of_owner(owner)) {
                if (name.first == kind.name) {
                    each(std::string(name.second), *ledger.find(name));
                }
            }
        }
    }
    // Calls `each` for every wanted resource of that kind.
    template <class Each>
    void for_wanted(const Kind& kind, Each each) const {
        for (const Resource& resource : desired.all()) {
            if (resource.key.kind == &kind) {
                each(resource);
            }
        }
    }
};

// Where a change is carried out.
struct ApplyContext {
    kernel::Host& host;
    kernel::Batch& batch;
    // Identities of objects that were made, learnt from the kernel meanwhile, for the ledger.
    std::vector<std::pair<Key, std::string>> learnt = {};
    std::vector<kernel::Forwarded> forwards = {};  // that end: their connections are looked for together
    // That begin, and that end: the flows that they concern are looked for together.
    std::set<kernel::Translation> translations = {};
    std::set<kernel::Translation> gone_translations = {};
    std::set<kernel::Translation> standing_translations = {};  // of the same partitions
    // All processes by network namespace; listed once.
    Result<const std::multimap<ino_t, pid_t>*> processes();
    std::optional<std::multimap<ino_t, pid_t>> listed = {};
};

struct Stage;

// A kind with what it does to the live host.
struct LiveKind {
    Kind kind;
    // Finds the resources of this kind: those that are wanted and those that are ours.
    Result<> (*observe)(Observation& observation) = nullptr;
    // Carries out one change at once, or adds it to the batch under that number.
    Result<> (*apply)(ApplyContext& context, const Change& change, std::size_t number) = nullptr;
    // The processes that carrying out this removal would end, as things are.
    Result<std::set<pid_t>> (*ends)(ApplyContext& context, const Change& removal) = nullptr;
    // Makes what this creation will make, as it will make it, on a stage that nobody sees (for what cannot be
    // had back once the one before is gone), and nothing else on the host.
    Result<> (*rehearse)(Stage& stage, const Change& creation) = nullptr;
    // Told of all changes of a wave before the first of them is carried out.
    void (*begin)(ApplyContext& context, std::span<const Change> wave) = nullptr;
    // Adds the topics of events (kernel/events/topics.h) that may be about this resource.
    void (*watch)(const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) = nullptr;
};

// Every kind, in the order in which they look.
std::span<const LiveKind* const> live_kinds();
const LiveKind& live_kind(const Kind& kind);
// The pure part of every kind.
Kinds pure_kinds();

}  // namespace partd
