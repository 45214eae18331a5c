// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/gate.h"

#include "kinds/firewall/table.h"
#include "kinds/link/interfaces.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"
#include "kinds/partition.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

using nat::Bytes;

// To whom the partition may open connections.
std::vector<std::string> reach_of(const Declared& declared, std::string_view name) {
    const DeclaredObject* partition = find_partition(declared, name);
    const auto& reach = partition->spec.as<Partition>().reach;
    if (!reach) {
        return translates_sources(declared, name) ? std::vector<std::string>{"host", "outside"}
                                                  : std::vector<std::string>{"host"};
    }
    std::vector<std::string> names;
    for (const auto& target : *reach) {
        names.push_back(target.value);
    }
    return names;
}

using HostEnds = std::multimap<std::string, std::string>;  // partition → names of its links' host ends

// The set of those that may connect to what that word names; nullptr for the name of a partition.
const char* set_towards(std::string_view target) {
    return target == "host"      ? nat::kHostward
           : target == "outside" ? nat::kOutward
           : target == "any"     ? nat::kAnyward
                                 : nullptr;
}

nat::Elements gate_elements(const std::string& interface, const std::vector<std::string>& reach,
                            const HostEnds& ends) {
    nat::Elements elements;
    const auto add = [&](const char* set, std::vector<std::uint8_t> key) {
        elements.all.insert({.set = set, .key = std::move(key), .data = {}});
    };
    add(nat::kInside, Bytes().interface(interface).done());
    add(nat::kHairpin, Bytes().interface(interface).interface(interface).done());
    for (const std::string& target : reach) {
        if (const char* set = set_towards(target)) {
            add(set, Bytes().interface(interface).done());
            continue;
        }
        for (auto [end, last] = ends.equal_range(target); end != last; ++end) {
            add(nat::kReach, Bytes().interface(interface).interface(end->second).done());
        }
    }
    return elements;
}

void expand(const Declared& declared, State& desired, Diagnostics&) {
    const std::vector<Interface> all = host_ends(declared);
    HostEnds ends;
    for (const Interface& end : all) {
        ends.emplace(end.partition, end.name);
    }
    for (const Interface& end : all) {
        if (find_partition(declared, end.partition) == nullptr) {
            continue;
        }
        nat::Elements elements = gate_elements(end.name, reach_of(declared, end.partition), ends);
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
    for (const DeclaredObject* partition : declared.all<Partition>()) {
        const std::string& name = partition->owner;
        auto reach = reach_of(declared, name);
        std::erase(reach, "host");  // needs no forwarding
        if (!reach.empty() || translates_sources(declared, name) || has_forwards(declared, name)) {
            names.insert(name);
        }
        if (std::ranges::find(reach, "any") != reach.end()) {
            std::ranges::transform(declared.all<Partition>(), std::inserter(names, names.end()),
                                   &DeclaredObject::owner);
        }
        names.insert(reach.begin(), reach.end());
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
             .independent = true},
    .observe = nullptr,
    .apply = nat::apply_entry,
};

}  // namespace partd
