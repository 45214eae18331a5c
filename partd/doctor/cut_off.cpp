// SPDX-License-Identifier: Apache-2.0
// Firewalls of other programs that stand in the way of what is declared.
#include "doctor/cut_off.h"

#include "doctor/checks.h"
#include "doctor/let_pass.h"
#include "kinds/link/interfaces.h"
#include "kinds/nat/layout.h"
#include "kinds/partition.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace doctor {

namespace {

using kernel::nft::ForeignTable;

// The partitions of which a chain drops packets; none when it drops nothing.
Dropping dropped_by(const ForeignTable& table, const std::string& chain, std::span<const Needed> needed) {
    Dropping dropping{.table = &table, .chain = chain};
    for (const Needed& each : needed) {
        if (table.family != "inet" && (table.family == "ip6") != each.packet.v6) {
            continue;
        }
        const kernel::nft::Fate fate = fate_of(table, chain, each.packet);
        if (fate.drops) {
            dropping.first = dropping.partitions.empty() ? each.text : dropping.first;
            dropping.partitions.insert(each.partition);
            dropping.unclear = dropping.unclear && fate.unclear;
        }
    }
    return dropping;
}

}  // namespace

std::string Dropping::text() const {
    const Maker maker = maker_of(*table);
    return fmt::format("nftables table {} {}, chain {}{}, drops forwarded packets: {}", table->family,
                       table->name, chain, maker == Maker::Nft ? "" : fmt::format(" ({})", maker_name(maker)),
                       first);
}

std::vector<Dropping> dropping_chains(std::span<const ForeignTable> tables, std::span<const Needed> needed) {
    std::vector<Dropping> all;
    for (const ForeignTable& table : tables) {
        for (const auto& [name, chain] : table.chains) {
            if (filters_forwarded(chain)) {
                all.push_back(dropped_by(table, name, needed));
            }
        }
    }
    std::erase_if(all, [](const Dropping& each) { return each.partitions.empty(); });
    return all;
}

namespace {

// Lists what a look at the ways out takes and no more: of the host's interfaces those that routes lead to.
CheckContext patient_of(kernel::Host& host, const Desired& desired) {
    constexpr std::size_t kMostText = std::size_t{1}
                                      << 20;  // 8,000 routes; the default one is among the first
    static const Ledger kNoLedger;
    CheckContext patient{.host = host,
                         .desired = desired,
                         .ledger = kNoLedger,
                         .programs = {},
                         .through_host = {},
                         .links = {},
                         .routes = kernel::routed_networks(kMostText)};
    std::set<std::string> own;
    for (const Interface& end : host_ends(desired.compiled.declared)) {
        own.insert(end.name);
    }
    std::erase_if(patient.routes, [&](const auto& route) { return own.contains(route.interface); });
    std::set<std::string> names;
    for (const kernel::RoutedNetwork& route : patient.routes) {
        const kernel::Link* link =
            names.insert(route.interface).second ? host.find_link("", route.interface) : nullptr;
        if (link != nullptr) {
            patient.links.push_back(*link);
        }
    }
    return patient;
}

// So many that judging them by all rules takes a moment at most.
std::span<const Needed> few_enough(std::span<const Needed> needed, std::span<const ForeignTable> tables) {
    constexpr std::size_t kMostJudged = 2'000'000;
    std::size_t rules = 1;
    for (const ForeignTable& table : tables) {
        for (const auto& [name, chain] : table.chains) {
            rules += chain.rules.size();
        }
    }
    return needed.first(std::min(needed.size(), kMostJudged / rules + 1));
}

}  // namespace
}  // namespace doctor

Result<std::vector<CutOff>> cut_offs(kernel::Host& host, const Desired& desired, std::string_view partition) {
    const doctor::CheckContext patient = doctor::patient_of(host, desired);
    doctor::Passages passages = doctor::passages_of(patient);
    if (!partition.empty()) {
        passages = passages.of({std::string(partition)});
    }
    if (passages.empty()) {
        return std::vector<CutOff>();
    }
    const auto tables = host.foreign_tables().list(nat::kTableName);
    PARTD_TRY(tables);
    const auto needed = doctor::needed_packets(passages, patient);
    std::vector<CutOff> all;
    for (const doctor::Dropping& each :
         doctor::dropping_chains(**tables, doctor::few_enough(needed, **tables))) {
        const std::string& first = *each.partitions.begin();
        const DeclaredObject* declared = find_partition(patient.declared(), first);
        const std::size_t others = each.partitions.size() - 1;
        all.push_back({.partition = first,
                       .source = declared == nullptr ? Source() : declared->source,
                       .what = fmt::format(
                           "{}{}{}: partctl doctor has the commands that let them pass", each.text(),
                           others == 0 ? "" : fmt::format(" (and those of {} more)", others),
                           each.unclear ? ", unless a rule that partctl cannot judge lets them pass" : "")});
    }
    return all;
}

}  // namespace partd
