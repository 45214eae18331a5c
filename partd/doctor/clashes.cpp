// SPDX-License-Identifier: Apache-2.0
#include "doctor/clashes.h"

#include "kernel/netlink/held_addresses.h"
#include "kernel/netlink/links.h"
#include "kernel/survey.h"
#include "kinds/link/interfaces.h"
#include "kinds/marks.h"
#include "kinds/nat/nat.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

// The host, without what partd made on it.
struct Others {
    std::multimap<Ip, std::string> held;  // by which interface
    std::vector<kernel::RoutedNetwork> routes;
};

Result<Others> look_around(kernel::NetlinkSocket& socket, const std::vector<Interface>& ends) {
    std::set<std::string> ours;
    std::ranges::transform(ends, std::inserter(ours, ours.end()), &Interface::name);
    const auto links = kernel::list_links(socket);
    PARTD_TRY(links);
    std::map<int, std::string> names;
    for (const kernel::Link& link : *links) {
        if (parse_link_mark(link.alias)) {
            ours.insert(link.name);
        }
        names[link.index] = link.name;
    }
    const auto held = kernel::held_addresses(socket);
    PARTD_TRY(held);
    Others others;
    for (const kernel::HeldAddress& each : *held) {
        if (!ours.contains(names[each.interface])) {
            others.held.emplace(each.ip, names[each.interface]);
        }
    }
    others.routes = kernel::routed_networks();
    std::erase_if(others.routes, [&](const auto& route) {
        return route.interface == "*" || ours.contains(route.interface);  // "*": it leads nowhere
    });
    return others;
}

// A network of the host's that the end's own covers a part of: one that it is connected to, or one behind a
// gateway that would be covered whole.
const kernel::RoutedNetwork* covered(const Others& others, const Prefix& own) {
    const kernel::RoutedNetwork* widest = nullptr;
    for (const kernel::RoutedNetwork& route : others.routes) {
        const bool covers = route.gateway ? own.length <= route.prefix.length && own.overlaps(route.prefix)
                                          : own.overlaps(route.prefix);
        if (route.prefix.length > 0 && covers &&
            (widest == nullptr || route.prefix.length < widest->prefix.length)) {
            widest = &route;
        }
    }
    return widest;
}

// One of /32 or /128 may be borrowed from another interface: that is how unnumbered links are made.
std::optional<Caution> judge_end(const Interface& end, const Sourced<Address>& address,
                                 const Others& others) {
    const Ip& ip = address.value.ip;
    const bool alone = address.value.length == ip.bits();
    Caution caution{.partition = end.partition,
                    .at = address.at,
                    .what = {},
                    .why = {},
                    .fix = "choose a network that is not used on this host"};
    const std::string whose = fmt::format("{} of {} (partition {})", address.value.text(),
                                          place_text(end.netns, end.name), end.partition);
    const auto gateway = std::ranges::find(others.routes, std::optional(ip), &kernel::RoutedNetwork::gateway);
    if (gateway != others.routes.end()) {
        caution.what = fmt::format("{} is the host's gateway by {}", whose, gateway->interface);
        caution.why = "the host does not reach its gateway any more";
        return caution;
    }
    if (const auto held = others.held.find(ip); held != others.held.end() && !alone) {
        caution.what = fmt::format("{} is an address of {}, too", whose, place_text("", held->second));
        caution.why = "only one of the two networks is reached";
        return caution;
    }
    const auto* network = alone ? nullptr : covered(others, address.value.prefix());
    if (network == nullptr) {
        return std::nullopt;
    }
    caution.what = fmt::format("{} covers a part of {}, which the host reaches by {}", whose,
                               network->prefix.text(), network->interface);
    caution.why = "what is there is not reached any more, or the partition is not";
    return caution;
}

void judge_ends(const std::vector<Interface>& ends, std::string_view partition, const Others& others,
                std::vector<Caution>& all) {
    for (const Interface& end : ends) {
        for (const auto& address : end.addresses) {
            if ((!partition.empty() && end.partition != partition) || address.value.ip.is_link_local()) {
                continue;
            }
            if (auto caution = judge_end(end, address, others)) {
                all.push_back(std::move(*caution));
            }
        }
    }
}

// `known`: addresses that are the host's, or will be.
void judge_forwards(const std::vector<const DeclaredObject*>& forwards, kernel::NetlinkSocket& socket,
                    std::map<Ip, bool>& known, std::vector<Caution>& all) {
    for (const DeclaredObject* object : forwards) {
        const Forward& forward = object->spec.as<Forward>();
        for (const Ip& address : forward.address) {
            const auto [found, is_new] = known.try_emplace(address, false);
            if (is_new) {
                found->second = kernel::is_local(socket, address);
            }
            if (!found->second) {
                all.push_back(
                    {.partition = object->owner,
                     .at = object->place("address"),
                     .what = fmt::format("{} of {} listens at {}, which is not an address of this host",
                                         forward.listen.text(), object->owner, address.text()),
                     .why = "it gets only what others route here",
                     .fix = "give an address that the host has, or leave address out for all"});
            }
        }
    }
}

}  // namespace

Result<std::vector<Caution>> clashes(const Declared& declared, std::string_view partition) {
    auto forwards = partition.empty() ? declared.all<Forward>() : declared.all<Forward>(partition);
    std::erase_if(forwards,
                  [](const DeclaredObject* each) { return each->spec.as<Forward>().address.empty(); });
    const auto ends = host_ends(declared);
    std::vector<Caution> all;
    if (forwards.empty() && ends.empty()) {
        return all;
    }
    auto socket = kernel::NetlinkSocket::open(NETLINK_ROUTE);
    PARTD_TRY(socket);
    const auto others = look_around(*socket, ends);
    PARTD_TRY(others);
    judge_ends(ends, partition, *others, all);
    std::map<Ip, bool> known;
    for (const Interface& end : ends) {
        for (const auto& address : end.addresses) {
            known[address.value.ip] = true;
        }
    }
    judge_forwards(forwards, *socket, known, all);
    return all;
}

}  // namespace partd
