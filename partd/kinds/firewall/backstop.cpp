// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/backstop.h"

#include "kernel/netlink/block_policy.h"
#include "kinds/firewall/table.h"

#include <algorithm>
#include <cerrno>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Backstop::policies>("policies", "what is blocked unless a rule judged it", {.live = true}),
};

Key backstop_key() {
    return {&kBackstop.kind, "host"};
}

Told all_policies() {
    Told all;
    for (const auto& policy : kernel::kBlockPolicies) {
        all.names.emplace_back(policy.name);
    }
    return all;
}

bool has(const Told& told, std::string_view name) {
    return std::ranges::find(told.names, name) != told.names.end();
}

// Behind the table, which takes the mark off.
void complete(const Declared&, State& desired, Diagnostics&) {
    if (const Resource* table = desired.find(table_key())) {
        const Source source = table->source;
        desired.add({.key = backstop_key(),
                     .spec = Spec(Backstop{all_policies()}),
                     .source = source,
                     .depends_on = {table_key()}});
    }
}

// The policies in the kernel. A kernel without IPsec cannot have any: returns all, so that none is missing.
Result<Told> policies(kernel::Host& host) {
    auto socket = host.xfrm();
    if (!socket && (socket.error().code == EPROTONOSUPPORT || socket.error().code == EAFNOSUPPORT)) {
        return all_policies();
    }
    PARTD_TRY(socket);
    auto standing = kernel::standing_policies(**socket);
    PARTD_TRY(standing);
    return Told{std::move(*standing)};
}

Result<> observe(Observation& observation) {
    const bool wanted = observation.desired.find(backstop_key()) != nullptr;
    if (!wanted && !observation.ledger.lost &&
        observation.ledger.find({kBackstop.kind.name, "host"}) == nullptr) {
        return {};  // partd made none
    }
    auto there = policies(observation.host);
    PARTD_TRY(there);
    if (!there->names.empty()) {
        observation.add({.key = backstop_key(),
                         .spec = Spec(Backstop{std::move(*there)}),
                         .depends_on = {table_key()},
                         .marked = true,
                         .holder = "IPsec policies with partd's numbers that partd did not make"});
    }
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    const Told wanted = change.wanted ? change.wanted.as<Backstop>().policies : Told();
    const Told found = change.found ? change.found.as<Backstop>().policies : Told();
    auto socket = context.host.xfrm();
    PARTD_TRY(socket);
    for (const auto& policy : kernel::kBlockPolicies) {
        const bool stands = has(found, policy.name);
        if (stands != has(wanted, policy.name)) {
            context.batch.netlink(
                **socket, stands ? kernel::remove_policy(policy) : kernel::add_policy(policy), number);
        }
    }
    return {};
}

}  // namespace

constinit const Table Backstop::table = {
    "backstop", "Without the table inet partd, packets from partitions are blocked.", kFields};

constinit const LiveKind kBackstop = {
    .kind = {.name = "backstop", .complete = complete, .backstage = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
