// SPDX-License-Identifier: Apache-2.0
#include "doctor/passage.h"

#include "doctor/checks.h"
#include "kinds/firewall/gate.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/kernel_kinds.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"

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

// To whom each host end leads, as partd's own gate lets it.
struct Gate {
    std::set<std::string> outward;
    std::set<std::string> anyward;
    std::set<std::pair<std::string, std::string>> reach;
};

Gate gate_of(const CheckContext& patient) {
    Gate gate;
    for (const Resource& resource : patient.desired.compiled.desired.all()) {
        if (resource.key.kind != &kGate.kind || !resource.spec.is<nat::Entry>()) {
            continue;
        }
        for (const kernel::nft::Element& element : resource.spec.as<nat::Entry>().elements.all) {
            const std::string end = interface_at(element, 0);
            if (element.set == nat::kOutward) {
                gate.outward.insert(end);
            } else if (element.set == nat::kAnyward) {
                gate.outward.insert(end);
                gate.anyward.insert(end);
            } else if (element.set == nat::kReach) {
                gate.reach.emplace(end, interface_at(element, 16));
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

Passages passages_of(const CheckContext& patient) {
    const auto links = host_links(patient);
    const Gate gate = gate_of(patient);
    std::map<std::string, const HostLink*> by_end;
    for (const HostLink& link : links) {
        by_end[link.end] = &link;
    }
    Passages passages;
    for (const bool v6 : {false, true}) {
        const auto ways = ways_out(patient, v6);
        for (const HostLink& link : links) {
            for (const std::string& way :
                 gate.outward.contains(link.end) && link.has(v6) ? ways : decltype(ways)()) {
                const auto address = link.address(v6);
                passages.outgoing.push_back({.partition = link.partition,
                                             .end = link.end,
                                             .way = way,
                                             .from = address ? std::optional(address->ip) : std::nullopt,
                                             .v6 = v6});
            }
        }
    }
    for (const auto& [end, to] : gate.reach) {
        if (by_end.contains(end) && by_end.contains(to)) {
            add_crossing(*by_end[end], *by_end[to], passages);
        }
    }
    for (const std::string& end : gate.anyward) {
        for (const HostLink& link : links) {
            if (by_end.contains(end) && !gate.reach.contains({end, link.end})) {
                add_crossing(*by_end[end], link, passages);
            }
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
    return some;
}

Passages Passages::family(bool v6) const {
    Passages some = *this;
    std::erase_if(some.outgoing, [&](const Outgoing& each) { return each.v6 != v6; });
    std::erase_if(some.incoming, [&](const Incoming& each) { return each.to.v6() != v6; });
    std::erase_if(some.crossings, [&](const Crossing& each) { return each.to.ip.v6() != v6; });
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

std::vector<Needed> needed_packets(const Passages& passages, const CheckContext& patient) {
    using kernel::nft::Packet;
    using enum kernel::nft::Stage;
    const std::array ways = {ways_out(patient, false), ways_out(patient, true)};
    std::vector<Needed> needed;
    for (const Outgoing& out : passages.outgoing) {
        const Packet there{.v6 = out.v6, .in = out.end, .out = out.way, .stage = New, .from = out.from};
        const Packet back{.v6 = out.v6, .in = out.way, .out = out.end, .stage = Established, .to = out.from};
        needed.push_back({there, out.partition,
                          fmt::format("connections of {} by {} and {}", out.partition, out.end, out.way)});
        needed.push_back(
            {back, out.partition, fmt::format("answers to connections of {} by {}", out.partition, out.way)});
    }
    for (const Incoming& in : passages.incoming) {
        const auto from = in.from ? std::optional(in.from->ip) : std::nullopt;
        for (const std::string& way : ways.at(in.to.v6() ? 1 : 0)) {
            Packet there{.v6 = in.to.v6(),
                         .in = way,
                         .out = in.end,
                         .stage = New,
                         .translated = true,
                         .from = from,
                         .to = in.to,
                         .protocol = static_cast<std::uint8_t>(in.listen.protocol),
                         .to_ports = std::pair(in.to_ports.first, in.to_ports.last)};
            const Packet back{.v6 = in.to.v6(),
                              .in = in.end,
                              .out = way,
                              .stage = Established,
                              .translated = true,
                              .from = in.to,
                              .to = from,
                              .protocol = there.protocol};
            const std::string text = fmt::format("connections to {} of {}", in.listen.text(), in.partition);
            needed.push_back({std::move(there), in.partition, text});
            needed.push_back({back, in.partition, "answers to " + text});
        }
    }
    for (const Crossing& each : passages.crossings) {
        const bool v6 = each.to.ip.v6();
        const Packet there{.v6 = v6,
                           .in = each.end,
                           .out = each.to_end,
                           .stage = New,
                           .from = each.from.ip,
                           .to = each.to.ip};
        const Packet back{.v6 = v6,
                          .in = each.to_end,
                          .out = each.end,
                          .stage = Established,
                          .from = each.to.ip,
                          .to = each.from.ip};
        const std::string text = fmt::format("connections of {} to {}", each.partition, each.to_partition);
        needed.push_back({there, each.partition, text});
        needed.push_back({back, each.partition, "answers to " + text});
    }
    return needed;
}

}  // namespace partd::doctor
