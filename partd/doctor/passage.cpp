// SPDX-License-Identifier: Apache-2.0
#include "doctor/passage.h"

#include "doctor/checks.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/kernel_kinds.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"
#include "kinds/policy/gate_set.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

// A link between a partition and the host.
struct HostLink {
    std::string partition;
    std::string end;
    std::vector<Address> addresses;  // of the partition's end

    // The first one of that family; nullopt when there is none.
    [[nodiscard]] std::optional<Address> address(bool v6) const {
        const auto found = std::ranges::find_if(addresses, [&](const Address& address) {
            return address.ip.v6() == v6 && !address.ip.is_link_local();
        });
        return found == addresses.end() ? std::nullopt : std::optional(*found);
    }
    // Where it has no declared address its packets may be of IPv4.
    [[nodiscard]] bool has(bool v6) const { return addresses.empty() ? !v6 : address(v6).has_value(); }
};

std::vector<HostLink> host_links(const CheckContext& patient) {
    std::vector<HostLink> links;
    for (const Interface& interface : all_interfaces(patient.declared())) {
        if (!interface.host_end) {
            continue;
        }
        HostLink link{.partition = interface.partition, .end = *interface.host_end, .addresses = {}};
        for (const auto& address : interface.addresses) {
            link.addresses.push_back(address.value);
        }
        links.push_back(std::move(link));
    }
    return links;
}

std::string interface_at(const kernel::nft::Element& element, std::size_t at) {
    constexpr std::size_t kNameSize = 16;
    if (element.key.size() < at + kNameSize) {
        return "";
    }
    const auto begin = element.key.begin() + static_cast<std::ptrdiff_t>(at);
    return {begin, std::find(begin, begin + kNameSize, 0)};
}

// Which ways partd's own gate leaves open, whatever packets each is limited to. Pairs are of the one who
// opens and the one who is opened to.
struct Gate {
    std::set<std::string> outward;
    std::set<std::string> anyward;
    std::set<std::string> inward;  // from outside
    std::set<std::string> anyone;  // from everybody
    std::set<std::pair<std::string, std::string>> pairs;
    std::set<std::pair<std::string, Prefix>> to;    // end, and where to
    std::set<std::pair<std::string, Prefix>> from;  // end, and where from
};

void note_way(Gate& gate, const nat::GateSet& set, const kernel::nft::Element& element) {
    using Far = nat::GateSet::Far;
    constexpr std::size_t kNameSize = 16;
    const bool reach = set.side == nat::GateSet::Side::Reach;
    const std::string end = interface_at(element, 0);
    if (set.far == Far::Outside) {
        (reach ? gate.outward : gate.inward).insert(end);
    } else if (set.far == Far::Any) {
        (reach ? gate.anyward : gate.anyone).insert(end);
    } else if (set.far == Far::Partition) {
        const std::string other = interface_at(element, kNameSize);
        gate.pairs.emplace(reach ? end : other, reach ? other : end);
    } else if (set.far == Far::Prefix && nat::fits(element)) {
        const Ip ip(std::span(element.key).subspan(kNameSize, set.v6 ? 16 : 4));
        (reach ? gate.to : gate.from).emplace(end, Prefix{ip, set.length});
    }
}

Gate gate_of(const CheckContext& patient) {
    Gate gate;
    for (const Resource& resource : patient.desired.compiled.desired.all()) {
        const nat::Elements* elements = nat::elements_of(resource.spec);
        for (const kernel::nft::Element& element :
             elements == nullptr ? decltype(elements->all)() : elements->all) {
            if (const auto set = nat::GateSet::parse(element.set)) {
                note_way(gate, *set, element);
            }
        }
    }
    return gate;
}

void add_crossing(const HostLink& from, const HostLink& to, Passages& passages) {
    for (const bool v6 : {false, true}) {
        const auto source = from.address(v6);
        const auto destination = to.address(v6);
        if (source && destination && from.end != to.end) {
            passages.crossings.push_back({.partition = from.partition,
                                          .end = from.end,
                                          .to_partition = to.partition,
                                          .to_end = to.end,
                                          .from = source->prefix(),
                                          .to = destination->prefix()});
        }
    }
}

void add_incoming(const DeclaredObject& object, const std::vector<HostLink>& links, Passages& passages) {
    const Forward& forward = object.spec.as<Forward>();
    if (!forward.address.empty() && std::ranges::all_of(forward.address, &Ip::is_loopback)) {
        return;  // from the host alone, which forwards nothing then
    }
    const auto own = [&](const HostLink& link) { return link.partition == object.owner; };
    const auto leads_there = [&](const HostLink& link) {
        return own(link) && std::ranges::any_of(link.addresses, [&](const Address& address) {
                   return address.prefix().contains(forward.to.ip);
               });
    };
    auto link = std::ranges::find_if(links, leads_there);
    link = link == links.end() ? std::ranges::find_if(links, own) : link;
    if (link == links.end()) {
        return;
    }
    PortRange to_ports = forward.listen;
    to_ports.first = forward.to.port == 0 ? forward.listen.first : forward.to.port;
    to_ports.last = static_cast<std::uint16_t>(to_ports.first + forward.listen.count() - 1);
    Incoming incoming{.partition = object.owner,
                      .end = link->end,
                      .listen = forward.listen,
                      .to = forward.to.ip,
                      .to_ports = to_ports,
                      .from = std::nullopt};
    for (const Prefix& from : forward.from) {
        if (from.length > 0) {
            incoming.from = from;
            passages.incoming.push_back(incoming);
        }
    }
    if (!incoming.from) {
        passages.incoming.push_back(std::move(incoming));
    }
}

// The interfaces that a translation of sources names.
std::set<std::string> translated_ways(const CheckContext& patient) {
    std::set<std::string> ways;
    for (const DeclaredObject* object : patient.declared().all<Nat>()) {
        const Nat& nat = object->spec.as<Nat>();
        for (const auto& each : nat.masquerade ? nat.masquerade->list : decltype(nat.masquerade->list)()) {
            if (each.value.out) {
                ways.insert(*each.value.out);
            }
        }
        for (const auto& each : nat.snat) {
            if (each.value.out) {
                ways.insert(*each.value.out);
            }
        }
    }
    return ways;
}

bool made_for_guests(const kernel::Link& link) {
    return std::ranges::find(kForGuests, link.kind) != kForGuests.end();
}

}  // namespace

std::set<std::string> ways_out(const CheckContext& patient, bool v6) {
    std::set<std::string> own;
    for (const HostLink& link : host_links(patient)) {
        own.insert(link.end);
    }
    std::set<std::string> ways = translated_ways(patient);
    for (const kernel::RoutedNetwork& route : patient.routes) {
        const auto link = std::ranges::find(patient.links, route.interface, &kernel::Link::name);
        const bool foreign = link != patient.links.end() && !link->alias.starts_with("partd:");
        if (route.prefix.ip.v6() == v6 && foreign && (route.prefix.length == 0 || !made_for_guests(*link))) {
            ways.insert(route.interface);
        }
    }
    std::erase_if(ways, [&](const std::string& way) { return own.contains(way) || way == "lo"; });
    return ways;
}

std::vector<Prefix> guest_networks(const CheckContext& patient) {
    std::vector<Prefix> networks;
    for (const bool v6 : {false, true}) {
        const auto ways = ways_out(patient, v6);
        for (const kernel::RoutedNetwork& route : patient.routes) {
            const auto link = std::ranges::find(patient.links, route.interface, &kernel::Link::name);
            if (route.prefix.ip.v6() == v6 && route.prefix.length > 0 && link != patient.links.end() &&
                made_for_guests(*link) && !link->alias.starts_with("partd:") && !ways.contains(link->name) &&
                std::ranges::find(networks, route.prefix) == networks.end()) {
                networks.push_back(route.prefix);
            }
        }
    }
    return networks;
}

namespace {

bool leads_to(const Prefix& prefix, const HostLink& link) {
    return std::ranges::any_of(link.addresses,
                               [&](const Address& address) { return prefix.contains(address.ip); });
}

// True if the prefix has addresses that no partition has.
bool leads_outside(const Prefix& prefix, const std::vector<HostLink>& links) {
    return std::ranges::none_of(links, [&](const HostLink& link) {
        return std::ranges::any_of(link.addresses, [&](const Address& address) {
            return address.length <= prefix.length && address.prefix().contains(prefix.ip);
        });
    });
}

// The prefixes of that end and family that lead outside; nullopt among them for anywhere.
std::set<std::optional<Prefix>> outside_of(const HostLink& link, bool v6, bool anywhere,
                                           const std::set<std::pair<std::string, Prefix>>& limited,
                                           const std::vector<HostLink>& links) {
    std::set<std::optional<Prefix>> prefixes;
    if (anywhere) {
        return {std::nullopt};
    }
    for (const auto& [end, prefix] : limited) {
        if (end == link.end && prefix.ip.v6() == v6 && leads_outside(prefix, links)) {
            prefixes.insert(prefix);
        }
    }
    return prefixes;
}

void add_outside(const HostLink& link, bool v6, const Gate& gate, const std::set<std::string>& ways,
                 const std::vector<HostLink>& links, Passages& passages) {
    const auto address = link.address(v6);
    const auto own = address ? std::optional(address->ip) : std::nullopt;
    const bool outward = gate.outward.contains(link.end) || gate.anyward.contains(link.end);
    const bool inward = gate.inward.contains(link.end) || gate.anyone.contains(link.end);
    for (const std::string& way : ways) {
        for (const auto& to : outside_of(link, v6, outward, gate.to, links)) {
            passages.outgoing.push_back(
                {.partition = link.partition, .end = link.end, .way = way, .from = own, .v6 = v6, .to = to});
        }
        for (const auto& from : outside_of(link, v6, inward, gate.from, links)) {
            if (own) {
                passages.admitted.push_back(
                    {.partition = link.partition, .end = link.end, .way = way, .from = from, .to = *own});
            }
        }
    }
}

using Crossings = std::set<std::pair<std::string, std::string>>;  // ends: who opens, and to whom

void add_by_prefix(const std::string& end, const Prefix& prefix, bool reach,
                   const std::vector<HostLink>& links, Crossings& crossings) {
    for (const HostLink& link : links) {
        if (leads_to(prefix, link)) {
            crossings.emplace(reach ? end : link.end, reach ? link.end : end);
        }
    }
}

Crossings crossings_of(const Gate& gate, const std::vector<HostLink>& links) {
    Crossings crossings = gate.pairs;
    for (const HostLink& link : links) {
        for (const std::string& end : gate.anyward) {
            crossings.emplace(end, link.end);
        }
        for (const std::string& end : gate.anyone) {
            crossings.emplace(link.end, end);
        }
    }
    for (const auto& [end, prefix] : gate.to) {
        add_by_prefix(end, prefix, true, links, crossings);
    }
    for (const auto& [end, prefix] : gate.from) {
        add_by_prefix(end, prefix, false, links, crossings);
    }
    return crossings;
}

}  // namespace

Passages passages_of(const CheckContext& patient) {
    const auto links = host_links(patient);
    const Gate gate = gate_of(patient);
    Passages passages;
    for (const bool v6 : {false, true}) {
        const auto ways = ways_out(patient, v6);
        for (const HostLink& link : links) {
            if (link.has(v6)) {
                add_outside(link, v6, gate, ways, links, passages);
            }
        }
    }
    std::map<std::string, const HostLink*> by_end;
    for (const HostLink& link : links) {
        by_end[link.end] = &link;
    }
    for (const auto& [from, to] : crossings_of(gate, links)) {
        if (by_end.contains(from) && by_end.contains(to)) {
            add_crossing(*by_end[from], *by_end[to], passages);
        }
    }
    for (const DeclaredObject* object : patient.declared().all<Forward>()) {
        add_incoming(*object, links, passages);
    }
    return passages;
}

Passages Passages::of(const std::set<std::string>& partitions) const {
    Passages some = *this;
    std::erase_if(some.outgoing, [&](const Outgoing& each) { return !partitions.contains(each.partition); });
    std::erase_if(some.incoming, [&](const Incoming& each) { return !partitions.contains(each.partition); });
    std::erase_if(some.crossings, [&](const Crossing& each) { return !partitions.contains(each.partition); });
    std::erase_if(some.admitted, [&](const Admitted& each) { return !partitions.contains(each.partition); });
    return some;
}

Passages Passages::family(bool v6) const {
    Passages some = *this;
    std::erase_if(some.outgoing, [&](const Outgoing& each) { return each.v6 != v6; });
    std::erase_if(some.incoming, [&](const Incoming& each) { return each.to.v6() != v6; });
    std::erase_if(some.crossings, [&](const Crossing& each) { return each.to.ip.v6() != v6; });
    std::erase_if(some.admitted, [&](const Admitted& each) { return each.to.v6() != v6; });
    return some;
}

std::set<std::string> Passages::outgoing_ends() const {
    std::set<std::string> ends;
    std::ranges::transform(outgoing, std::inserter(ends, ends.end()), &Outgoing::end);
    return ends;
}

std::set<std::string> Passages::ends() const {
    std::set<std::string> ends = outgoing_ends();
    std::ranges::transform(incoming, std::inserter(ends, ends.end()), &Incoming::end);
    std::ranges::transform(admitted, std::inserter(ends, ends.end()), &Admitted::end);
    for (const Crossing& each : crossings) {
        ends.insert(each.end);
        ends.insert(each.to_end);
    }
    return ends;
}

std::set<std::string> Passages::ways() const {
    std::set<std::string> ways;
    std::ranges::transform(outgoing, std::inserter(ways, ways.end()), &Outgoing::way);
    return ways;
}

}  // namespace partd::doctor
