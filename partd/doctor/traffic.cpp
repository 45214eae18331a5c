// SPDX-License-Identifier: Apache-2.0
// How much traffic the host has room for.
#include "doctor/checks.h"
#include "kinds/link/interfaces.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::doctor {

Findings judge_conntrack(std::uint64_t count, std::uint64_t most) {
    if (most == 0 || count * 4 < most * 3) {
        return {};
    }
    return {
        {.severity = count * 20 >= most * 19 ? Severity::Problem : Severity::Warning,
         .what = fmt::format("{} of at most {} connections are tracked (nf_conntrack_max)", count, most),
         .why = "when the table is full, packets of new connections are dropped, in all partitions at once",
         .fix = "a larger table",
         .remedy = set_sysctls("conntrack", {{"net.netfilter.nf_conntrack_max", std::to_string(most * 4)}})}};
}

Findings judge_neighbours(std::uint64_t links, std::uint64_t soft, std::uint64_t hard) {
    // Each end of a link knows the other, and all namespaces share one table.
    const std::uint64_t wanted = links * 2;
    if (wanted <= soft / 2) {
        return {};
    }
    return {{.severity = wanted >= hard   ? Severity::Problem
                         : wanted >= soft ? Severity::Warning
                                          : Severity::Note,
             .what = fmt::format("{} declared links need about {} neighbour entries; the kernel keeps {} "
                                 "(gc_thresh2), at most {} "
                                 "(gc_thresh3)",
                                 links, wanted, soft, hard),
             .why = "all namespaces share one table; when it overflows, hosts do not find each other",
             .fix = "larger tables",
             .remedy = set_sysctls("neighbours",
                                   {{"net.ipv4.neigh.default.gc_thresh2", std::to_string(wanted * 2)},
                                    {"net.ipv4.neigh.default.gc_thresh3", std::to_string(wanted * 4)},
                                    {"net.ipv6.neigh.default.gc_thresh2", std::to_string(wanted * 2)},
                                    {"net.ipv6.neigh.default.gc_thresh3", std::to_string(wanted * 4)}})}};
}

namespace {

Findings conntrack(const CheckContext&) {
    const auto count = sysctl_number("net/netfilter/nf_conntrack_count");
    const auto most = sysctl_number("net/netfilter/nf_conntrack_max");
    return count && most ? judge_conntrack(*count, *most) : Findings();
}

Findings neighbours(const CheckContext& patient) {
    const auto soft = sysctl_number("net/ipv4/neigh/default/gc_thresh2");
    const auto hard = sysctl_number("net/ipv4/neigh/default/gc_thresh3");
    return soft && hard ? judge_neighbours(declared_links(patient.declared()).size(), *soft, *hard)
                        : Findings();
}

constexpr std::int64_t kUsualMtu = 1500;

// Finds partitions whose links have a larger MTU than the host's uplink.
Findings narrow_uplinks(const CheckContext& patient) {
    Findings found;
    std::set<std::string> names;
    for (const kernel::RoutedNetwork& route : patient.routes) {
        if (route.prefix.length == 0) {
            names.insert(route.interface);
        }
    }
    for (const std::string& name : names) {
        const auto uplink = std::ranges::find(patient.links, name, &kernel::Link::name);
        for (const Interface& end : host_ends(patient.declared())) {
            const DeclaredObject* object = end.declared;
            const std::int64_t mtu =
                interfaces_of(patient.declared(), *object)[0].mtu.value_or(end.mtu.value_or(kUsualMtu));
            if (uplink != patient.links.end() && mtu > uplink->mtu &&
                patient.through_host.contains(object->owner)) {
                found.push_back(
                    {.severity = Severity::Warning,
                     .what = fmt::format("{} has MTU {}, {}/{} ({}) has {}", name, uplink->mtu, object->owner,
                                         object->name, object->source.place(), mtu),
                     .why = fmt::format("larger packets wait for an ICMP answer that many networks lose: "
                                        "connections of {} stall",
                                        object->owner),
                     .fix = fmt::format("mtu = {} in [partition.{}.link.{}]", uplink->mtu, object->owner,
                                        object->name),
                     .partition = object->owner,
                     .at = object->source});
            }
        }
    }
    return found;
}

constexpr Check kTrafficChecks[] = {
    {"the table of tracked connections has room", conntrack},
    {"the neighbour table has room for the declared links", neighbours},
    {"no link is wider than the host's way out", narrow_uplinks},
};

}  // namespace

std::span<const Check> traffic_checks() {
    return kTrafficChecks;
}

}  // namespace partd::doctor
