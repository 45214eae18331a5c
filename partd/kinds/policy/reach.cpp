// SPDX-License-Identifier: Apache-2.0
#include "kinds/policy/reach.h"

#include "kinds/link/interfaces.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/near.h"
#include "kinds/partition.h"
#include "kinds/policy/gate_set.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::nft::Element;
using nat::Bytes;
using nat::GateSet;

using HostEnds = std::multimap<std::string, std::string>;  // partition → names of its links' host ends

HostEnds ends_of_all(const Declared& declared) {
    HostEnds ends;
    for (const Interface& end : host_ends(declared)) {
        ends.emplace(end.partition, end.name);
    }
    return ends;
}

GateSet::Far far_of(const Far& far) {
    switch (far.what) {
        case Far::What::Host:
            return GateSet::Far::Host;
        case Far::What::Outside:
            return GateSet::Far::Outside;
        case Far::What::Any:
            return GateSet::Far::Any;
        case Far::What::Prefix:
            return GateSet::Far::Prefix;
        case Far::What::Partition:
            return GateSet::Far::Partition;
    }
    return GateSet::Far::Any;
}

// A block of a match's ports; all of a protocol has none of its own, and no match any.
std::vector<std::optional<nat::PortBlock>> blocks_of(const Match* match) {
    if (match == nullptr || !match->has_ports()) {
        return {std::nullopt};
    }
    const auto blocks = nat::port_blocks(match->first, match->last);
    return {blocks.begin(), blocks.end()};
}

// The elements of a line for one host end of the partition.
void add_elements(const WayLine& line, GateSet::Side side, const std::string& end, const HostEnds& ends,
                  std::set<Element>& all) {
    if (side == GateSet::Side::Admit && line.far.what == Far::What::Host) {
        return;  // the host needs no leave
    }
    GateSet set{.side = side,
                .far = far_of(line.far),
                .v6 = line.far.prefix.ip.v6(),
                .length = line.far.prefix.length};
    for (const auto& block : blocks_of(line.match)) {
        if (line.match != nullptr) {
            set.ports = block ? block->bits : std::uint8_t{0};
        }
        const auto add = [&](Bytes key) {
            if (line.match != nullptr) {
                key.protocol(static_cast<Protocol>(line.match->protocol));
            }
            if (block) {
                key.port(block->first);
            }
            all.insert({.set = set.name(), .key = key.done(), .data = {}});
        };
        if (line.far.what == Far::What::Prefix) {
            add(Bytes().interface(end).ip(line.far.prefix.ip));
        } else if (line.far.what != Far::What::Partition) {
            add(Bytes().interface(end));
        } else {
            for (auto [other, last] = ends.equal_range(line.far.partition); other != last; ++other) {
                add(Bytes().interface(end).interface(other->second));
            }
        }
    }
}

void check_partitions(const std::vector<WayLine>& lines, const DeclaredObject& partition,
                      std::string_view verb, const Declared& declared, Diagnostics& problems) {
    for (const WayLine& line : lines) {
        if (line.far.what != Far::What::Partition ||
            find_partition(declared, line.far.partition) != nullptr) {
            continue;
        }
        problems.error(
            line.at, fmt::format("partition {} {} \"{}\", but there is no such partition{}", partition.owner,
                                 verb, line.far.partition,
                                 near_partition(declared, line.far.partition, {"host", "outside", "any"})));
    }
}

// An element can stand for one entry only: it is the first one's that says it.
template <class Entry>
void expand_lines(const std::vector<WayLine>& lines, const DeclaredObject& partition, const Kind& kind,
                  const HostEnds& ends, State& desired) {
    const bool reach = std::is_same_v<Entry, nat::ReachEntry>;
    std::set<Element> said;
    for (const WayLine& line : lines) {
        std::set<Element> all;
        for (auto [end, last] = ends.equal_range(partition.owner); end != last; ++end) {
            add_elements(line, reach ? GateSet::Side::Reach : GateSet::Side::Admit, end->second, ends, all);
        }
        std::erase_if(all, [&](const Element& element) { return !said.insert(element).second; });
        nat::Elements own{std::move(all)};
        if (!own.all.empty()) {
            desired.add(nat::entry_of(
                {&kind, fmt::format("{} {} {}", partition.owner, reach ? "→" : "←", line.text())},
                Spec(Entry{std::move(own)}), partition.owner, line.at));
        }
    }
}

bool is_routed(const Sourced<Address>& address) {
    return !address.value.ip.is_link_local() && !address.value.ip.is_loopback();
}

void require_address(const std::vector<WayLine>& lines, const DeclaredObject& partition,
                     const Declared& declared, Diagnostics& problems) {
    const auto from_elsewhere = [](const WayLine& line) { return line.far.what != Far::What::Host; };
    const auto interfaces = all_interfaces(declared, partition.owner);
    const bool linked = std::ranges::any_of(
        interfaces, [](const Interface& interface) { return interface.host_end.has_value(); });
    const bool addressed = std::ranges::any_of(interfaces, [&](const Interface& interface) {
        return interface.partition == partition.owner && interface.netns == partition.owner &&
               std::ranges::any_of(interface.addresses, is_routed);
    });
    if (const auto line = std::ranges::find_if(lines, from_elsewhere);
        line != lines.end() && !(linked && addressed)) {
        problems.error(line->at,
                       fmt::format("partition {} admits {}, but {}: {}", partition.owner, line->text(),
                                   linked ? "no address of it can be routed to"
                                          : "it has no link to the host, which is to route to it",
                                   linked ? "give its link to the host an address that is not link-local"
                                          : "give it one with an address, or leave admit out"));
    }
}

// `lines_in` gives those of one partition.
template <class Entry, class LinesIn>
void expand_all(const Declared& declared, const Kind& kind, std::string_view verb, State& desired,
                Diagnostics& problems, const LinesIn& lines_in) {
    std::optional<HostEnds> ends;
    for (const DeclaredObject* object : declared.all<Partition>()) {
        const std::vector<WayLine> lines = lines_in(object->spec.as<Partition>());
        if (lines.empty()) {
            continue;
        }
        if (!ends) {
            ends = ends_of_all(declared);
        }
        check_partitions(lines, *object, verb, declared, problems);
        expand_lines<Entry>(lines, *object, kind, *ends, desired);
    }
}

void expand_reach(const Declared& declared, State& desired, Diagnostics& problems) {
    expand_all<nat::ReachEntry>(
        declared, kReaches.kind, "reaches", desired, problems, [](const Partition& partition) {
            return partition.reach ? lines_of(*partition.reach) : std::vector<WayLine>();
        });
}

void expand_admit(const Declared& declared, State& desired, Diagnostics& problems) {
    expand_all<nat::AdmitEntry>(declared, kAdmits.kind, "admits", desired, problems,
                                [](const Partition& partition) { return lines_of(partition.admit); });
    for (const DeclaredObject* object : declared.all<Partition>()) {
        if (const auto& admit = object->spec.as<Partition>().admit; !admit.empty()) {
            require_address(lines_of(admit), *object, declared, problems);
        }
    }
}

}  // namespace

constinit const LiveKind kReaches = {
    .kind = {.name = "reach",
             .phase = Phase::Filter,
             .expand = expand_reach,
             .channel = "nftables",
             .independent = true},
    .apply = nat::apply_entry,
};

constinit const LiveKind kAdmits = {
    .kind = {.name = "admit",
             .phase = Phase::Filter,
             .expand = expand_admit,
             .channel = "nftables",
             .independent = true},
    .apply = nat::apply_entry,
};

}  // namespace partd
