// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/gate.h"

#include "kinds/firewall/table.h"
#include "kinds/link/interfaces.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"
#include "kinds/partition.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using nat::Bytes;

// To whom a partition may open connections whose file does not say it.
std::vector<const char*> usual_ways(const Declared& declared, const DeclaredObject& partition) {
    if (partition.spec.as<Partition>().reach) {
        return {};
    }
    return translates_sources(declared, partition.owner) ? std::vector{nat::kHostward, nat::kOutward}
                                                         : std::vector{nat::kHostward};
}

nat::Elements gate_elements(const std::string& interface, const std::vector<const char*>& ways) {
    nat::Elements elements;
    const auto add = [&](const char* set, std::vector<std::uint8_t> key) {
        elements.all.insert({.set = set, .key = std::move(key), .data = {}});
    };
    add(nat::kInside, Bytes().interface(interface).done());
    add(nat::kHairpin, Bytes().interface(interface).interface(interface).done());
    for (const char* set : ways) {
        add(set, Bytes().interface(interface).done());
    }
    return elements;
}

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const Interface& end : host_ends(declared)) {
        const DeclaredObject* partition = find_partition(declared, end.partition);
        if (partition == nullptr) {
            continue;
        }
        nat::Elements elements = gate_elements(end.name, usual_ways(declared, *partition));
        auto claims = nat::claims_of(elements);
        desired.add({.key = {&kGate.kind, fmt::format("{}: {}", end.partition, end.declared->name)},
                     .spec = Spec(nat::Entry{std::move(elements)}),
                     .owner = end.partition,
                     .source = end.declared->source,
                     .depends_on = {table_key()},
                     .contained_in = {table_key()},
                     .exclusive_names = std::move(claims)});
    }
}

}  // namespace

std::set<std::string> partitions_through_host(const Declared& declared) {
    std::set<std::string> names;
    const auto add = [&](const std::string& name, const auto& ways) {
        for (const auto& way : ways) {
            if (way.value.far.what != Far::What::Host) {  // needs no forwarding
                names.insert(name);
            }
            if (way.value.far.what == Far::What::Partition) {
                names.insert(way.value.far.partition);
            }
        }
    };
    for (const DeclaredObject* object : declared.all<Partition>()) {
        const auto& partition = object->spec.as<Partition>();
        add(object->owner, partition.reach.value_or(Reach()));
        add(object->owner, partition.admit);
        if (translates_sources(declared, object->owner) || has_forwards(declared, object->owner)) {
            names.insert(object->owner);
        }
        if (reaches_any(partition)) {
            std::ranges::transform(declared.all<Partition>(), std::inserter(names, names.end()),
                                   &DeclaredObject::owner);
        }
    }
    return names;
}

constinit const LiveKind kGate = {
    .kind = {.name = "gate",
             .phase = Phase::Filter,
             .expand = expand,
             .summary =
                 [](const Spec& spec) { return Codec<nat::Elements>::text(spec.as<nat::Entry>().elements); },
             .channel = "nftables",
             .independent = true,
             .backstage = true},
    .observe = nullptr,
    .apply = nat::apply_entry,
};

}  // namespace partd
