// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/steps.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

namespace partd::nat {

using namespace kernel::nft;
// The layout's role of a set; the model has one of the same name for fields.
using SetRole = nat::Role;

namespace {

// Protocol and destination port, behind what stands in the registers before.
Steps load_port(unsigned reg) {
    return {LoadMeta{NFT_META_L4PROTO, reg}, LoadTransport{2, 2, reg + 1}};
}

Steps address_is_local(const Step& load) {
    return {load, Compare{0, native(std::uint32_t{RTN_LOCAL})}};
}

Steps destination_is_loopback() {
    return family_is(false) + load_destination(false, 0) +
           Steps{Mask{0, {0xff, 0, 0, 0}}, Compare{0, {127, 0, 0, 0}}};
}

Steps forward_steps(const PrefixSet& set) {
    const unsigned ip = width(set.v6);
    const Steps source = load_source(set.v6, 0) + masked(set);
    const Steps translate = {Lookup{set.name(), 0, false, 0}, Dnat{set.v6, 0, ip}};
    if (set.role == SetRole::Forward) {
        return family_is(set.v6) + address_is_local(LoadLocalDestination{0}) + source + load_port(ip) +
               translate;
    }
    return family_is(set.v6) + source + load_destination(set.v6, ip) + load_port(2 * ip) + translate;
}

// The ports that a translated source may get. A packet from outside finds the connection that another's
// packet made before it finds a forward or a server of the host: a partition that could choose the port of
// either would get what is sent to it ("port shadow" in the kernel's nft_nat.sh). From here on nobody of them
// is at home, and the host takes the ports of its own connections (ip_local_port_range).
constexpr std::vector<std::uint8_t> first_port() {
    return {32768 >> 8, 0};
}
constexpr std::vector<std::uint8_t> last_port() {
    return {0xff, 0xff};
}

Steps source_steps(const PrefixSet& set) {
    const unsigned ip = width(set.v6);
    const Steps source = family_is(set.v6) + load_source(set.v6, 0) + masked(set);
    const Step out = LoadMeta{NFT_META_OIFNAME, ip};
    const kernel::nft::NatPorts ports{.first = ip, .last = ip + 1};
    const Steps load_ports = {LoadConstant{ports.first, first_port()}, LoadConstant{ports.last, last_port()}};
    switch (set.role) {
        case SetRole::Masquerade:
            return source +
                   Steps{Lookup{set.name(), 0}, out,
                         Lookup{PrefixSet{SetRole::Back, set.v6, set.length}.name(), 0, true}} +
                   load_ports + Steps{Masquerade{ports}};
        case SetRole::MasqueradeOut:
            return source + Steps{out, Lookup{set.name(), 0}} + load_ports + Steps{Masquerade{ports}};
        case SetRole::Snat:
            return source + Steps{Lookup{set.name(), 0, false, 0}} + load_ports +
                   Steps{Snat{set.v6, 0, ports}};
        case SetRole::SnatOut:
            return source + Steps{out, Lookup{set.name(), 0, false, 0}} + load_ports +
                   Steps{Snat{set.v6, 0, ports}};
        default:
            return {};
    }
}

// Source translation may pick the port of a forward. The packet is dropped if its answer would come to the
// address and port of a forward that its destination may use: the sender retries from another port.
Steps shadow_steps(const PrefixSet& set) {
    const unsigned ip = width(set.v6);
    const unsigned port = set.role == SetRole::ForwardTo ? 2 * ip : ip;
    Steps steps = family_is(set.v6) + load_destination(set.v6, 0) + masked(set);
    if (set.role == SetRole::ForwardTo) {
        steps.emplace_back(LoadCt{set.v6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, ip, IP_CT_DIR_REPLY});
    }
    return steps + Steps{LoadMeta{NFT_META_L4PROTO, port},
                         LoadCt{NFT_CT_PROTO_DST, port + 1, IP_CT_DIR_REPLY}, Lookup{set.name(), 0, false, 0},
                         Verdict{NF_DROP}};
}

void add_shadow_rules(std::vector<Rule>& rules, const std::vector<PrefixSet>& forwards) {
    rules.push_back({kShadows, "of the host's own", in_is_not_in(kInside) + verdict(NF_ACCEPT)});
    rules.push_back({kShadows, "that stay inside", out_is_in(kInside) + verdict(NF_ACCEPT)});
    rules.push_back({kShadows, "that began before", is_established_or_related() + verdict(NF_ACCEPT)});
    for (const PrefixSet& set : forwards) {
        rules.push_back({kShadows, set.name(), shadow_steps(set)});
    }
}

// A forward that the host itself uses leaves under an address that the partition can answer; so does one that
// comes back to where it is from.
void add_answerable_rules(std::vector<Rule>& rules) {
    rules.push_back({kPostrouting, "hairpin", was_forwarded() + pair_is_in(kHairpin) + Steps{Masquerade{}}});
    rules.push_back(
        {kPostrouting, "from the host",
         was_forwarded() + out_is_in(kInside) + address_is_local(LoadLocalSource{0}) + Steps{Masquerade{}}});
}

}  // namespace

void add_translation_rules(std::vector<Rule>& rules, const std::set<std::string>& sets) {
    // The kernel drops what comes from elsewhere to the host's loopback, but looks only after the
    // translation.
    rules.push_back(
        {kPrerouting, "the host's loopback is its own", destination_is_loopback() + verdict(NF_ACCEPT)});
    rules.push_back({kPrerouting, "port forwards", jump(kForwards)});
    rules.push_back({kOutput, "port forwards", jump(kForwards)});
    const auto forwards = in_order(sets, {SetRole::ForwardTo, SetRole::Forward});
    for (const PrefixSet& set : forwards) {
        rules.push_back({kForwards, set.name(), forward_steps(set)});
    }
    add_answerable_rules(rules);
    for (const PrefixSet& set :
         in_order(sets, {SetRole::SnatOut, SetRole::Snat, SetRole::MasqueradeOut, SetRole::Masquerade})) {
        rules.push_back({kPostrouting, set.name(), source_steps(set)});
    }
    add_shadow_rules(rules, forwards);
}

}  // namespace partd::nat
