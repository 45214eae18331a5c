// SPDX-License-Identifier: Apache-2.0
#include "doctor/cautions.h"

#include "doctor/policy_cautions.h"
#include "doctor/targets.h"
#include "kinds/link/interfaces.h"
#include "kinds/namespace/user.h"
#include "kinds/net/route.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace partd {

namespace {

using Addresses = std::vector<Sourced<Address>>;

// The addresses of that family by which neighbours may be reached.
Addresses of_family(const Interface& interface, bool v6) {
    Addresses found;
    std::ranges::copy_if(interface.addresses, std::back_inserter(found), [&](const auto& address) {
        return address.value.ip.v6() == v6 && !address.value.ip.is_link_local();
    });
    return found;
}

// Each has an address in a network of the other.
bool reach_each_other(const Addresses& ours, const Addresses& theirs) {
    return std::ranges::any_of(ours, [&](const auto& own) {
        return std::ranges::any_of(theirs, [&](const auto& other) {
            return own.value.prefix().contains(other.value.ip) && other.value.prefix().contains(own.value.ip);
        });
    });
}

// A route of that interface's namespace that leads over it without a gateway.
bool has_direct_route(const Declared& declared, const Interface& end) {
    const auto direct = [&](const NextHop& way) { return !way.via && way.dev == end.name; };
    return std::ranges::any_of(declared.all<Route>(end.netns), [&](const DeclaredObject* route) {
        return std::ranges::any_of(route->spec.as<Route>().ways(), direct);
    });
}

// A /32 or /128 says that its routes are made elsewhere.
void look_at_networks(const Interface& self, const Interface& peer, bool v6, const Declared& declared,
                      std::vector<Caution>& all) {
    const Addresses ours = of_family(self, v6);
    const Addresses theirs = of_family(peer, v6);
    const auto alone = [](const auto& each) { return each.value.length == each.value.ip.bits(); };
    if (ours.empty() || theirs.empty() || std::ranges::any_of(ours, alone) ||
        std::ranges::any_of(theirs, alone) || reach_each_other(ours, theirs) ||
        has_direct_route(declared, self) || has_direct_route(declared, peer)) {
        return;
    }
    const auto& [own, at] = ours.front();
    const auto& [other, other_at] = theirs.front();
    all.push_back({.partition = self.partition,
                   .at = at,
                   .what = fmt::format("the ends of {}/{} are in different networks, {} and {}",
                                       self.partition, self.name, own.prefix().text(), other.prefix().text()),
                   .why = "they do not reach each other",
                   .fix = "give both addresses of one network, or a route with dev and without via",
                   .other = other_at,
                   .note = "the other end"});
}

void look_at_address(const Interface& interface, const Sourced<Address>& declared,
                     std::vector<Caution>& all) {
    const Address& address = declared.value;
    const auto caution = [&](const char* what, const char* why, const char* fix) {
        all.push_back({.partition = interface.partition,
                       .at = declared.at,
                       .what = fmt::format("{} is {}", address.text(), what),
                       .why = why,
                       .fix = fix});
    };
    const int point_to_point = address.ip.bits() - 1;
    // A vrf has one for its own programs, as lo has.
    if (address.ip.is_loopback() && interface.domain != interface.name) {
        caution("an address of the loopback interface", "the kernel takes its packets on lo alone",
                "declare it for lo, or take another one");
    } else if (address.length < point_to_point && address.prefix().ip == address.ip) {
        if (address.ip.v6()) {
            caution(
                "the network's own address",
                "in IPv6 it stands for each router of the network (RFC 4291, 2.6.1): an end that forwards "
                "takes the packets to it itself",
                "give the next one, or write /128");
        } else {
            caution("the network's own address",
                    "neighbours with a kernel before 5.14, and many devices, take it for a broadcast",
                    "give the next one, or write /32");
        }
    }
}

// The kernel gives what a port receives to the link whose port it is.
void look_at_ports(const Declared& declared, const DeclaredObject& link, const Interface& self,
                   std::vector<Caution>& all) {
    for (const PortOf& port_of : masters_of(declared, link)) {
        if (self.addresses.empty() || port_of.master == nullptr ||
            !type_of(port_of.master->spec)->ops.takes_packets) {
            continue;
        }
        all.push_back(
            {.partition = link.owner,
             .at = self.addresses.front().at,
             .what = fmt::format("{} is an address of {}/{}, which is a port of {}",
                                 self.addresses.front().value.text(), link.owner, link.name, port_of.name),
             .why = "a port takes no packets for itself: nobody reaches it there",
             .fix = fmt::format("give the address to {}", port_of.name)});
        return;
    }
}

void look_at_mtus(const Interface& self, const Interface& peer, std::vector<Caution>& all) {
    constexpr std::int64_t kUsual = 1500;
    const std::int64_t own = self.mtu.value_or(kUsual);
    const std::int64_t other = peer.mtu.value_or(kUsual);
    if (own == other) {
        return;
    }
    all.push_back(
        {.partition = self.partition,
         .at = self.declared->place("mtu"),
         .what = fmt::format("{}/{} has MTU {}, its other end {}", self.partition, self.name, own, other),
         .why = "larger packets are lost",
         .fix = "give both ends one MTU",
         .other = peer.declared->place("peer.mtu"),
         .note = "the other end"});
}

// One line of a map, of users or groups.
struct Mapped {
    const DeclaredObject* object;
    const Sourced<IdMapping>* line;
    std::string_view key;

    [[nodiscard]] std::int64_t first() const { return line->value.outside; }
    [[nodiscard]] std::int64_t end() const { return line->value.outside + line->value.count; }
};

void look_at_root(const Mapped& mapped, std::vector<Caution>& all) {
    if (mapped.first() == 0) {
        const std::int64_t inside = mapped.line->value.inside;
        all.push_back({.partition = mapped.object->owner,
                       .at = mapped.line->at,
                       .what = fmt::format("{}: {} in partition {} is root on the host", mapped.key,
                                           inside == 0 ? "root" : fmt::format("number {}", inside),
                                           mapped.object->owner),
                       .why = "its files and processes are those of the host's root",
                       .fix = "choose another range outside, or auto = true"});
    }
}

// Each line against the one before it that reaches furthest.
void look_at_overlaps(std::vector<Mapped> lines, std::vector<Caution>& all) {
    std::ranges::stable_sort(lines, {}, &Mapped::first);
    const Mapped* furthest = nullptr;
    for (const Mapped& each : lines) {
        if (furthest != nullptr && each.first() < furthest->end() &&
            each.object->owner != furthest->object->owner) {
            all.push_back(
                {.partition = each.object->owner,
                 .at = each.line->at,
                 .what = fmt::format("{}: {} on the host stands for one of partition {} and one of {}",
                                     each.key, each.first(), furthest->object->owner, each.object->owner),
                 .why = "each may use the other\'s files, and signal its processes",
                 .fix = "give each partition a range of its own, or auto = true",
                 .other = furthest->line->at,
                 .note = "the other range"});
        }
        if (furthest == nullptr || each.end() > furthest->end()) {
            furthest = &each;
        }
    }
}

void look_at_maps(const Declared& declared, std::vector<Caution>& all) {
    std::vector<Mapped> users;
    std::vector<Mapped> groups;
    for (const DeclaredObject* object : declared.all<User>()) {
        const User& user = object->spec.as<User>();
        for (const auto& line : user.uid_map) {
            users.push_back({object, &line, "uid_map"});
            look_at_root(users.back(), all);
        }
        for (const auto& line : user.gid_map) {
            groups.push_back({object, &line, "gid_map"});
            look_at_root(groups.back(), all);
        }
    }
    look_at_overlaps(std::move(users), all);
    look_at_overlaps(std::move(groups), all);
}

}  // namespace

Problem Caution::problem() const {
    return {at, fmt::format("{}: {}; {}", what, why, fix), other, note};
}

std::vector<Caution> cautions(const Declared& declared, std::string_view partition) {
    std::vector<Caution> all;
    for (const DeclaredObject* link : declared_links(declared)) {
        const auto ends = interfaces_of(declared, *link);
        for (const Interface& end : ends) {
            for (const auto& address : end.addresses) {
                look_at_address(end, address, all);
            }
        }
        look_at_ports(declared, *link, ends[0], all);
        if (ends.size() == 2) {
            look_at_networks(ends[0], ends[1], false, declared, all);
            look_at_networks(ends[0], ends[1], true, declared, all);
            look_at_mtus(ends[0], ends[1], all);
        }
    }
    look_at_targets(declared, all);
    look_at_maps(declared, all);
    look_at_policies(declared, all);
    std::erase_if(all,
                  [&](const Caution& each) { return !partition.empty() && each.partition != partition; });
    return all;
}

}  // namespace partd
