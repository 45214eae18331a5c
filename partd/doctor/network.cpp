// The host as a router between partitions and the outside: what other firewalls drop, and its switches.
#include "base/text.h"
#include "doctor/checks.h"
#include "kernel/files.h"
#include "kernel/nft_forward.h"
#include "kinds/nat/layout.h"
#include "kinds/sysctl.h"
#include "kinds/topology.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

using kernel::nft::ForwardChain;

// The host's ends of the links of partitions whose packets it forwards.
std::set<std::string> host_ends(const Patient& patient) {
    std::set<std::string> names;
    for (const DeclaredObject* object : patient.declared().all<Veth>()) {
        const LinkEnd end = peer_end(*object);
        if (end.netns.empty() && patient.through_host.contains(object->owner)) {
            names.insert(end.name);
        }
    }
    return names;
}

bool lets_pass(const ForwardChain& chain, const std::set<std::string>& ends) {
    const auto accepted = [&](const std::string& end) {
        return std::ranges::any_of(chain.accepted, [&](const std::string& beginning) {
            constexpr std::size_t kShortest = 2;  // a shorter one is a number, not a name
            return beginning.size() >= kShortest && end.starts_with(beginning);
        });
    };
    return !ends.empty() && std::ranges::all_of(ends, accepted);
}

// The commands that let packets from and to our links pass.
std::string let_pass(const Patient& patient, const ForwardChain& chain, const std::set<std::string>& ends) {
    const bool usual =
        std::ranges::all_of(ends, [](const std::string& end) { return end.starts_with("pv-"); });
    if (usual && chain.table == "firewalld") {
        return kFirewalldMend;
    }
    if (usual && chain.family == "ip" && chain.name == "FORWARD" && patient.programs.contains("dockerd")) {
        return kDockerMend;
    }
    std::vector<std::string> commands;
    for (const std::string& end : usual ? std::set<std::string>{"pv-*"} : ends) {
        for (const char* side : {"iifname", "oifname"}) {
            commands.push_back(fmt::format("nft 'insert rule {} {} {} {} \"{}\" accept'", chain.family,
                                           chain.table, chain.name, side, end));
        }
    }
    return join(commands, "; ") + "; and the same in what makes that table, which may load it anew";
}

Findings forward_firewalls(const Patient& patient) {
    const auto chains = kernel::nft::forward_chains();
    if (!chains) {
        return {{.severity = Severity::Warning,
                 .what = fmt::format("the nftables of this host cannot be read: {}", chains.error().message),
                 .why = "another firewall may drop what partitions send",
                 .mend = "look with: nft list ruleset"}};
    }
    const auto ends = host_ends(patient);
    Findings found;
    for (const ForwardChain& chain : *chains) {
        const bool ours = chain.family == "inet" && chain.table == nat::kTableName;
        if (ours || (!chain.policy_drops && !chain.last_rule_drops)) {
            continue;
        }
        const bool passes = lets_pass(chain, ends);
        const bool matters = !patient.through_host.empty() && !passes;
        found.push_back(
            {.severity = matters ? Severity::Problem : Severity::Note,
             .what = fmt::format("nftables table {} {}, chain {}, drops forwarded packets that none of its "
                                 "rules accepts ({})",
                                 chain.family, chain.table, chain.name,
                                 chain.policy_drops ? "policy drop" : "its last rule"),
             .why = passes ? "its rules name the links of the declared partitions, which seem to pass"
                    : matters
                        ? fmt::format("the strictest firewall decides, and the host forwards for {}",
                                      name_some(patient, patient.through_host))
                        : "the strictest firewall decides; no declared partition sends through the host now",
             .mend = passes ? "nothing, unless packets are lost" : let_pass(patient, chain, ends)});
    }
    return found;
}

// Its rules stand outside of nftables, and are read by no netlink.
Findings legacy_firewalls(const Patient& patient) {
    Findings found;
    for (const auto& [file, program] :
         {std::pair("ip_tables_names", "iptables"), std::pair("ip6_tables_names", "ip6tables")}) {
        const std::string tables = kernel::read_file(std::string("/proc/net/") + file).value_or("");
        if (tables.find("filter") != std::string::npos) {
            found.push_back(
                {.severity = patient.through_host.empty() ? Severity::Note : Severity::Warning,
                 .what = fmt::format("{}-legacy has a filter table", program),
                 .why =
                     "it sees every forwarded packet besides nftables, and partctl does not read its rules",
                 .mend = fmt::format(
                     "look with: {0}-legacy -S FORWARD; and let pass by: {0}-legacy -I FORWARD -i pv-+ "
                     "-j ACCEPT; {0}-legacy -I FORWARD -o pv-+ -j ACCEPT",
                     program)});
        }
    }
    return found;
}

Findings forwarding(const Patient& patient) {
    if (patient.through_host.empty() || sysctl(kForwarding4).value_or("1") != "0") {
        return {};
    }
    // What is wanted of the host, apply turns on.
    const auto turns_on = [](const Resource& resource) {
        return resource.spec.is<Sysctl>() && resource.spec.as<Sysctl>().netns.empty() &&
               resource.spec.as<Sysctl>().path == kForwarding4;
    };
    const bool by_apply = std::ranges::any_of(patient.desired.compiled.desired.all(), turns_on);
    return {
        {.severity = by_apply ? Severity::Note : Severity::Problem,
         .what = "net.ipv4.ip_forward is 0",
         .why = fmt::format("the host does not forward yet for {}", name_some(patient, patient.through_host)),
         .mend = by_apply ? "partctl apply turns it on"
                          : "sysctl -w net.ipv4.ip_forward=1, and a file in /etc/sysctl.d; or forwarding = "
                            "\"auto\" in [host]"}};
}

// The kernel takes the higher of "all" and the link's own; 2 is loose (ip-sysctl.rst).
bool filters_strictly(const std::string& link) {
    const auto of = [](const std::string& name) {
        return sysctl_number("net/ipv4/conf/" + name + "/rp_filter");
    };
    const auto own = of(link);
    return std::max(of("all").value_or(0), own ? *own : of("default").value_or(0)) == 1;
}

Findings reverse_path(const Patient& patient) {
    std::map<std::string, std::vector<const DeclaredObject*>> links;
    for (const DeclaredObject* object : patient.declared().all<Veth>()) {
        if (peer_end(*object).netns.empty()) {
            links[object->owner].push_back(object);
        }
    }
    Findings found;
    for (const auto& [partition, objects] : links) {
        for (const DeclaredObject* object : objects) {
            const LinkEnd end = peer_end(*object);
            if (objects.size() > 1 && filters_strictly(end.name)) {
                found.push_back(
                    {.severity = Severity::Warning,
                     .what =
                         fmt::format("rp_filter is strict on {} (host end of {}/{}, {})",
                                     std::string(end.name), partition, object->name, object->source.place()),
                     .why = fmt::format(
                         "partition {} has {} links to the host: what comes by another link than the "
                         "answer would take is dropped",
                         partition, objects.size()),
                     .mend =
                         "sysctl -w net.ipv4.conf.all.rp_filter=2, and a file in /etc/sysctl.d: the higher "
                         "one of all and of the link counts"});
            }
        }
    }
    return found;
}

Findings bridged(const Patient&) {
    if (sysctl("net/bridge/bridge-nf-call-iptables").value_or("0") != "1") {
        return {};
    }
    return {{.severity = Severity::Note,
             .what = "net.bridge.bridge-nf-call-iptables is 1 (br_netfilter)",
             .why = "packets between the ports of a bridge pass the firewall as if they were forwarded",
             .mend = "sysctl -w net.bridge.bridge-nf-call-iptables=0, unless another tool needs it (Docker, "
                     "Kubernetes)"}};
}

constexpr Check kNetworkChecks[] = {
    {"no other firewall in nftables drops forwarded packets", forward_firewalls},
    {"no iptables-legacy filter table", legacy_firewalls},
    {"the host forwards, or need not", forwarding},
    {"rp_filter does not stand between a partition's links", reverse_path},
    {"bridges do not pass their packets to the firewall", bridged},
};

}  // namespace

std::span<const Check> network_checks() {
    return kNetworkChecks;
}

}  // namespace partd::doctor
