// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/ingress.h"
#include "kinds/firewall/steps.h"
#include "kinds/link/kernel_kinds.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <fmt/format.h>

namespace partd::nat {

using namespace kernel::nft;

namespace {

// Of neighbour discovery, RFC 4861, 4.
constexpr std::uint8_t kRouterAdvertisement = 134;
constexpr std::uint8_t kNeighbourSolicitation = 135;
constexpr std::uint8_t kNeighbourAdvertisement = 136;
constexpr std::uint8_t kRedirect = 137;

Steps source_is_unspecified() {
    return family_is(true) + load_source(true, 0) + Steps{Compare{0, std::vector<std::uint8_t>(16)}};
}

Steps loopback_is(const Steps& load) {
    return family_is(false) + load + Steps{Mask{0, {0xff, 0, 0, 0}}, Compare{0, {127, 0, 0, 0}}};
}

// The host's ends mark what they receive (kernel/netlink/ingress.h): here it is judged. For all interfaces,
// since an end may be a port of somebody's bridge.
Steps take_mark_off() {
    return Steps{LoadMeta{NFT_META_MARK, 0},
                 Mask{0, native(kernel::kUnjudged)},
                 Compare{0, native(kernel::kUnjudged)},
                 LoadMeta{NFT_META_MARK, 0},
                 Mask{0, native(~kernel::kUnjudged)},
                 SetMeta{NFT_META_MARK, 0}};
}

// From a partition's link the host takes nothing that changes its routes, nothing from or to its loopback (a
// forward at 127.0.0.1 needs route_localnet on the link), and nothing from an address that is not behind that
// link. The host's own routes say which addresses are: the networks of its end, and routes that the
// administrator adds.
void add_source_rules(std::vector<Rule>& rules) {
    rules.push_back({kSources, "judged from here on", take_mark_off()});
    rules.push_back({kSources, "of others", in_is_not_in(kInside) + verdict(NF_ACCEPT)});
    const auto drop = [&](const char* comment, std::uint8_t protocol, std::uint8_t type) {
        rules.push_back({kSources, comment, protocol_is(protocol) + type_is(type) + verdict(NF_DROP)});
    };
    drop("no router", IPPROTO_ICMPV6, kRouterAdvertisement);
    drop("no redirect", IPPROTO_ICMPV6, kRedirect);
    drop("no redirect of IPv4", IPPROTO_ICMP, ICMP_REDIRECT);
    rules.push_back(
        {kSources, "loopback stays local", loopback_is(load_destination(false, 0)) + verdict(NF_DROP)});
    rules.push_back({kSources, "nobody is 127.0.0.1", loopback_is(load_source(false, 0)) + verdict(NF_DROP)});
    // Duplicate address detection has the unspecified source address (RFC 4862, 5.4).
    rules.push_back({kSources, "an address that is tried",
                     source_is_unspecified() + protocol_is(IPPROTO_ICMPV6) + verdict(NF_ACCEPT)});
    rules.push_back({kSources, "not its own address",
                     Steps{LoadWayBack{0}, Compare{0, native(std::uint32_t{0})}, Verdict{NF_DROP}}});
}

// The host's own services: for partitions that may reach the host. Answers pass, and what the two ends of a
// link need of each other.
void add_input_rules(std::vector<Rule>& rules, const std::set<std::string>& sets) {
    rules.push_back({kInput, "of others", in_is_not_in(kInside) + verdict(NF_ACCEPT)});
    add_host_rules(rules, sets);
    rules.push_back({kInput, "answers", is_answer() + is_established_or_related() + verdict(NF_ACCEPT)});
    const auto accept = [&](const char* comment, std::uint8_t protocol, std::uint8_t type,
                            const Steps& where = {}) {
        rules.push_back(
            {kInput, comment, protocol_is(protocol) + type_is(type) + where + verdict(NF_ACCEPT)});
    };
    accept("neighbour solicitation", IPPROTO_ICMPV6, kNeighbourSolicitation);
    accept("neighbour advertisement", IPPROTO_ICMPV6, kNeighbourAdvertisement);
    const Steps at_this_end = {LoadLocalDestination{0, true}, Compare{0, native(std::uint32_t{RTN_LOCAL})}};
    accept("echo request", IPPROTO_ICMP, ICMP_ECHO, at_this_end);
    accept("echo request of IPv6", IPPROTO_ICMPV6, ICMPV6_ECHO_REQUEST, at_this_end);
    rules.push_back({kInput, "the host's services", verdict(NF_DROP)});
}

std::vector<std::uint8_t> padded(std::string_view name) {
    std::vector<std::uint8_t> bytes(name.begin(), name.end());
    bytes.resize(16);  // IFNAMSIZ, which meta iifkind fills as well
    return bytes;
}

// Where the host forwards because of partd alone: packets of others, that no partition sent or is to get, and
// that nobody translated, are dropped when they come from outside. Network cards, VLANs, bonds: what is not
// one of the kinds above.
void add_stranger_rules(std::vector<Rule>& rules) {
    rules.push_back({kOthers, "established", is_established_or_related() + verdict(NF_ACCEPT)});
    rules.push_back({kOthers, "forwarded ports", was_forwarded() + verdict(NF_ACCEPT)});
    rules.push_back({kOthers, "strangers",
                     Steps{LoadMeta{NFT_META_NFPROTO, 0}, Lookup{kGuarded, 0}} + go_to(kStrangers)});
    rules.push_back({kStrangers, "between ports of a bridge", pair_is_in(kTurned) + verdict(NF_ACCEPT)});
    rules.push_back(
        {kStrangers, "by a router's link", family_is(false) + in_is_in(kRouters) + verdict(NF_ACCEPT)});
    rules.push_back({kStrangers, "by an uplink", in_is_in(kUplinks) + verdict(NF_DROP)});
    for (const std::string_view kind : kOwnMachines) {
        rules.push_back(
            {kStrangers, fmt::format("from {} links", kind),
             Steps{LoadMeta{NFT_META_IIFKIND, 0}, Compare{0, padded(kind)}} + verdict(NF_ACCEPT)});
    }
    rules.push_back({kStrangers, "from outside", verdict(NF_DROP)});
}

}  // namespace

void add_policy_rules(std::vector<Rule>& rules, const std::set<std::string>& sets) {
    add_source_rules(rules);
    add_input_rules(rules, sets);
    add_forward_rules(rules, sets);
    add_stranger_rules(rules);
}

}  // namespace partd::nat
