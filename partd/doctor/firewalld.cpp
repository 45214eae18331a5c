// SPDX-License-Identifier: Apache-2.0
// firewalld(1): an interface is in one zone, and a policy says what may pass from zones to zones.
#include "base/text.h"
#include "doctor/checks.h"
#include "doctor/let_pass.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

constexpr char kCommand[] = "firewall-cmd -q --permanent";
constexpr char kReload[] = "firewall-cmd -q --reload";
// Ends by which connections may be opened to the outside; other ends between which some may.
constexpr char kOutZone[] = "partd-out";
constexpr char kOtherZone[] = "partd";
constexpr char kOutPolicy[] = "partd-outside";
constexpr char kBetweenPolicy[] = "partd-between";

void make(std::vector<std::string>& commands, const char* what, const char* name) {
    commands.push_back(
        fmt::format("{{ firewall-cmd --permanent --info-{1}={2} >/dev/null 2>&1 || {0} "
                    "--new-{1}={2}; }}",
                    kCommand, what, name));
}

void put_into(std::vector<std::string>& commands, const char* zone, const std::set<std::string>& ends) {
    make(commands, "zone", zone);
    std::string interfaces;
    for (const std::string& end : ends) {
        interfaces += " --change-interface=" + end;
    }
    commands.push_back(fmt::format("{} --zone={}{}", kCommand, zone, interfaces));
}

std::string family_of(const Prefix& prefix) {
    return fmt::format("rule family={}", prefix.ip.v6() ? "ipv6" : "ipv4");
}

// A policy leads to zones that have interfaces of their own: a way out that is in the default zone because it
// is in no other is put into that one. Containers and machines may be in the zone, too.
void open_outside(std::vector<std::string>& commands, const Passages& passages, const CheckContext& patient) {
    put_into(commands, kOutZone, passages.outgoing_ends());
    make(commands, "policy", kOutPolicy);
    commands.push_back(fmt::format("{} --policy={} --add-ingress-zone={}", kCommand, kOutPolicy, kOutZone));
    for (const std::string& way : passages.ways()) {
        commands.push_back(fmt::format(
            "{{ zone=$(firewall-cmd --get-zone-of-interface={1} 2>/dev/null) || {{ "
            "zone=$(firewall-cmd --get-default-zone) && {0} --zone=$zone --change-interface={1} && {0} "
            "--policy={2} --set-description=\"$(firewall-cmd --permanent --policy={2} --get-description) "
            "{1}\"; }}; }}",
            kCommand, way, kOutPolicy));
        commands.push_back(fmt::format("{} --policy={} --add-egress-zone=$zone", kCommand, kOutPolicy));
    }
    std::string rejects;
    for (const Prefix& network : guest_networks(patient)) {
        rejects += fmt::format(" --add-rich-rule='{} destination address={} reject'", family_of(network),
                               network.text());
    }
    if (!rejects.empty()) {
        commands.push_back(fmt::format("{} --policy={}{}", kCommand, kOutPolicy, rejects));
    }
    commands.push_back(fmt::format("{} --policy={} --set-target=ACCEPT", kCommand, kOutPolicy));
}

void open_between(std::vector<std::string>& commands, const Passages& passages) {
    const auto outward = passages.outgoing_ends();
    std::set<std::string> others;
    std::string rules;
    for (const Crossing& each : passages.crossings) {
        for (const std::string& end : {each.end, each.to_end}) {
            if (!outward.contains(end)) {
                others.insert(end);
            }
        }
        rules += fmt::format(" --add-rich-rule='{} source address={} destination address={} accept'",
                             family_of(each.from), each.from.text(), each.to.text());
    }
    if (!others.empty()) {
        put_into(commands, kOtherZone, others);
    }
    make(commands, "policy", kBetweenPolicy);
    for (const char* zone : {others.empty() ? nullptr : kOtherZone, outward.empty() ? nullptr : kOutZone}) {
        for (const char* side : {"ingress", "egress"}) {
            if (zone != nullptr) {
                commands.push_back(
                    fmt::format("{} --policy={} --add-{}-zone={}", kCommand, kBetweenPolicy, side, zone));
            }
        }
    }
    commands.push_back(fmt::format("{} --policy={}{}", kCommand, kBetweenPolicy, rules));
}

}  // namespace

Opening open_firewalld(const Passages& passages, const CheckContext& patient) {
    std::vector<std::string> commands;
    if (!passages.outgoing.empty()) {
        open_outside(commands, passages, patient);
    }
    if (!passages.crossings.empty()) {
        open_between(commands, passages);
    }
    if (commands.empty()) {
        return {};
    }
    // The policy's description names the ways that were put into a zone for it.
    std::string undo =
        passages.outgoing.empty()
            ? ""
            : fmt::format(
                  "for way in $(firewall-cmd --permanent --policy={1} --get-description); do {0} "
                  "--zone=$(firewall-cmd --permanent --get-zone-of-interface=$way) "
                  "--remove-interface=$way; done; ",
                  kCommand, kOutPolicy);
    for (const auto& [what, name] : {std::pair("policy", kOutPolicy), std::pair("policy", kBetweenPolicy),
                                     std::pair("zone", kOutZone), std::pair("zone", kOtherZone)}) {
        const auto makes = [&](const std::string& command) {
            return command.find(fmt::format("--new-{}={};", what, name)) != std::string::npos;
        };
        if (std::ranges::any_of(commands, makes)) {
            undo += fmt::format("{} --delete-{}={} && ", kCommand, what, name);
        }
    }
    commands.emplace_back(kReload);
    return {
        .remedy = {join(commands, " && "), undo + kReload},
        .lasts =
            "firewalld keeps them over a reload and a boot; from these zones nothing of the host itself "
            "is reached, unless a service is added to them; an interface that leads out and is in no zone "
            "is put into the default zone, whose other interfaces may lead out by it then"};
}

}  // namespace partd::doctor
