// SPDX-License-Identifier: Apache-2.0
// The host as a router between partitions and the outside: what other firewalls drop, and its switches.
#include "base/text.h"
#include "doctor/checks.h"
#include "doctor/cut_off.h"
#include "doctor/let_pass.h"
#include "doctor/ports.h"
#include "kernel/file/files.h"
#include "kinds/host/switches.h"
#include "kinds/link/interfaces.h"
#include "kinds/nat/layout.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

using kernel::nft::ForeignTable;

Finding describe(const Dropping& dropping, const Passages& all, const CheckContext& patient) {
    const Opening opening =
        let_pass(*dropping.table, dropping.chain, all.of(dropping.partitions), all, patient);
    Finding finding = {
        .severity = dropping.unclear ? Severity::Warning : Severity::Problem,
        .what = dropping.text(),
        .why = fmt::format("the strictest firewall decides, and the host forwards for {}{}",
                           name_some(patient, dropping.partitions),
                           dropping.unclear ? "; a rule that partctl cannot judge may let them pass" : ""),
        .fix = opening.remedy.run.empty()
                   ? fmt::format("let them pass in what makes that table; {}", opening.lasts)
                   : fmt::format("rules for these partitions alone; {}", opening.lasts),
        .remedy = opening.remedy};
    return about(patient, std::move(finding), dropping.partitions);
}

Result<std::vector<ForeignTable>> read_tables() {
    return kernel::nft::foreign_tables(nat::kTableName);
}

Findings forward_firewalls(const CheckContext& patient) {
    const auto tables = read_tables();
    if (!tables) {
        return {{.severity = Severity::Warning,
                 .what = fmt::format("the nftables of this host cannot be read: {}", tables.error().message),
                 .why = "another firewall may drop what partitions send",
                 .fix = "look with: nft list ruleset"}};
    }
    const Passages all = passages_of(patient);
    const auto needed = needed_packets(all, patient);
    Findings found;
    for (const Dropping& dropping : dropping_chains(*tables, needed)) {
        found.push_back(describe(dropping, all, patient));
    }
    return found;
}

bool turned_on_by_us(const CheckContext& patient, const std::string& path) {
    const Key key = host_sysctl_key(path);
    return was_off(patient.ledger.find({key.kind->name, key.name})).value_or(false);
}

// Docker sets the policy to drop only where it turns forwarding on itself.
Findings open_containers(const CheckContext& patient) {
    const auto tables = read_tables();
    Findings found;
    for (const ForeignTable& table : tables ? *tables : std::vector<ForeignTable>()) {
        const auto chain = table.chains.find("FORWARD");
        if (maker_of(table) != Maker::Docker || chain == table.chains.end() ||
            !filters_forwarded(chain->second) || chain->second.policy_drops || table.family == "inet") {
            continue;
        }
        const bool v6 = table.family == "ip6";
        if (!turned_on_by_us(patient, v6 ? kForwarding6 : kForwarding4)) {
            continue;
        }
        const Passages all = passages_of(patient);
        const Opening opening = let_pass(table, "FORWARD", all, all, patient);
        const std::string policy = fmt::format("{} -P FORWARD ", v6 ? "ip6tables-nft" : "iptables-nft");
        const Remedy& open = opening.remedy;
        found.push_back(
            {.severity = Severity::Warning,
             .what = fmt::format(
                 "Docker left the policy of the chain FORWARD (nftables table {} {}) at accept, for "
                 "partd had turned forwarding on before",
                 table.family, table.name),
             .why = "without partd's table, ports that containers do not publish are open to the host's "
                    "neighbours",
             .fix =
                 "the policy drop, and rules for partitions alone; again when Docker was started after partd",
             .remedy = {(open.run.empty() ? "" : open.run + " && ") + policy + "DROP",
                        policy + "ACCEPT" + (open.undo.empty() ? "" : " && " + open.undo)}});
    }
    return found;
}

// Its rules stand outside of nftables, and are read by no netlink.
Findings legacy_firewalls(const CheckContext& patient) {
    const Passages all = passages_of(patient);
    Findings found;
    for (const auto& [file, program, v6] : {std::tuple("ip_tables_names", "iptables", false),
                                            std::tuple("ip6_tables_names", "ip6tables", true)}) {
        const std::string tables = kernel::read_file(std::string("/proc/net/") + file).value_or("");
        const Opening opening = let_pass_legacy(v6, all);
        if (tables.find("filter") != std::string::npos && !opening.remedy.run.empty()) {
            found.push_back(
                {.severity = Severity::Note,
                 .what = fmt::format("{}-legacy has a filter table", program),
                 .why =
                     "it sees every forwarded packet besides nftables, and partctl does not read its rules",
                 .fix = fmt::format("look with {}-legacy -S FORWARD; where it drops, rules for partitions "
                                    "alone, which hold until the next boot",
                                    program),
                 .remedy = opening.remedy});
        }
    }
    return found;
}

Findings forwarding(const CheckContext& patient) {
    if (patient.through_host.empty() || sysctl(kForwarding4).value_or("1") != "0") {
        return {};
    }
    // partctl apply turns forwarding on if it is among the wanted sysctls.
    const auto turns_on = [](const Resource& resource) {
        return resource.spec.is<Sysctl>() && resource.spec.as<Sysctl>().netns.empty() &&
               resource.spec.as<Sysctl>().path == kForwarding4;
    };
    const bool by_apply = std::ranges::any_of(patient.desired.compiled.desired.all(), turns_on);
    Finding finding = {
        .severity = by_apply ? Severity::Note : Severity::Problem,
        .what = "net.ipv4.ip_forward is 0",
        .why = fmt::format("the host does not forward yet for {}", name_some(patient, patient.through_host)),
        .fix =
            by_apply ? "partctl apply turns it on" : "turn it on; or write forwarding = \"auto\" in [host]",
        .remedy = by_apply ? Remedy{"partctl apply", "partctl rollback"}
                           : set_sysctls("forwarding", {{"net.ipv4.ip_forward", "1"}})};
    return {about(patient, std::move(finding), patient.through_host)};
}

// Others may have relied on a switch that they found on.
Findings strangers(const CheckContext& patient) {
    auto nftables = patient.host.nftables();
    const auto guarded =
        nftables ? (*nftables)->elements(nat::kTableName, nat::kGuarded)
                 : Result<std::vector<kernel::nft::StoredElement>>(std::vector<kernel::nft::StoredElement>());
    if (!guarded || guarded->empty()) {
        return {};
    }
    return {{.severity = Severity::Note,
             .what = "the host forwards for partitions only, for partd turned forwarding on",
             .why = "new connections that come in from outside, concern no partition and were not translated "
                    "are dropped: also those of a router, and to virtual machines in a routed network",
             .fix = "where the host is to be a router: net.ipv4.ip_forward = 1 and "
                    "net.ipv6.conf.all.forwarding = 1 in a file in /etc/sysctl.d, then partctl apply"}};
}

// The kernel takes the higher of "all" and the link's own; 2 is loose (ip-sysctl.rst).
bool filters_strictly(const std::string& link) {
    const auto of = [](const std::string& name) {
        return sysctl_number("net/ipv4/conf/" + name + "/rp_filter");
    };
    const auto own = of(link);
    return std::max(of("all").value_or(0), own ? *own : of("default").value_or(0)) == 1;
}

Findings reverse_path(const CheckContext& patient) {
    std::map<std::string, std::vector<Interface>> links;
    for (Interface& end : host_ends(patient.declared())) {
        links[end.partition].push_back(std::move(end));
    }
    Findings found;
    for (const auto& [partition, ends] : links) {
        for (const Interface& end : ends) {
            if (ends.size() > 1 && filters_strictly(end.name)) {
                found.push_back(
                    {.severity = Severity::Warning,
                     .what = fmt::format("rp_filter is strict on {} (host end of {}, {})", end.name,
                                         end.link->name, end.declared->source.place()),
                     .why = fmt::format(
                         "partition {} has {} links to the host: what comes by another link than the "
                         "answer would take is dropped",
                         partition, ends.size()),
                     .fix = "the loose filter for all: the higher one of all and of the link counts",
                     .remedy = set_sysctls("rp-filter", {{"net.ipv4.conf.all.rp_filter", "2"}}),
                     .partition = partition,
                     .at = end.declared->source});
            }
        }
    }
    return found;
}

Findings bridged(const CheckContext&) {
    if (sysctl("net/bridge/bridge-nf-call-iptables").value_or("0") != "1") {
        return {};
    }
    return {{.severity = Severity::Note,
             .what = "net.bridge.bridge-nf-call-iptables is 1 (br_netfilter)",
             .why = "packets between the ports of a bridge pass the firewall as if they were forwarded",
             .fix = "turn it off, unless another tool needs it (Docker, Kubernetes)",
             .remedy = set_sysctls("bridges", {{"net.bridge.bridge-nf-call-iptables", "0"}})}};
}

Findings ports(const CheckContext& patient) {
    const auto all = taken_ports(patient.host, patient.declared());
    if (!all) {
        return {
            {.severity = Severity::Warning,
             .what = fmt::format("it cannot be seen who else has a forwarded port: {}", all.error().message),
             .why = "only one of two gets the connections",
             .fix = "look with: ss -lntup; nft list ruleset"}};
    }
    Findings found;
    for (const TakenPort& taken : *all) {
        found.push_back({.severity = Severity::Warning,
                         .what = fmt::format("{} of {} ({}): {}, too", taken.listen.text(), taken.partition,
                                             taken.source.place(), taken.holder),
                         .why = taken.effect,
                         .fix = "another port or address for one of them",
                         .partition = taken.partition,
                         .at = taken.source});
    }
    return found;
}

constexpr Check kNetworkChecks[] = {
    {"no other firewall in nftables drops forwarded packets", forward_firewalls},
    {"Docker keeps what containers do not publish closed, or partd did not turn forwarding on",
     open_containers},
    {"no iptables-legacy filter table", legacy_firewalls},
    {"no forwarded port is somebody else's, too", ports},
    {"the host forwards, or need not", forwarding},
    {"the host forwards for others by their own wish", strangers},
    {"rp_filter does not stand between a partition's links", reverse_path},
    {"bridges do not pass their packets to the firewall", bridged},
};

}  // namespace

std::span<const Check> network_checks() {
    return kNetworkChecks;
}

}  // namespace partd::doctor
