// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/steps.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>

namespace partd::nat {

using namespace kernel::nft;
using SetRole = nat::Role;

namespace {

// NF_CT_STATE_BIT of IP_CT_ESTABLISHED and IP_CT_RELATED.
constexpr std::uint32_t kEstablished = 1U << 1;
constexpr std::uint32_t kRelated = 1U << 2;

Steps ct_has(std::uint32_t key, std::uint32_t bits) {
    return {LoadCt{key, 0}, Mask{0, native(bits)}, Compare{0, native(std::uint32_t{0}), false}};
}

}  // namespace

Steps operator+(Steps a, const Steps& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Steps is_established_or_related() {
    return ct_has(NFT_CT_STATE, kEstablished | kRelated);
}
Steps is_established() {
    return ct_has(NFT_CT_STATE, kEstablished);
}
Steps is_related() {
    return ct_has(NFT_CT_STATE, kRelated);
}
Steps is_original() {
    return {LoadCt{NFT_CT_DIRECTION, 0}, Compare{0, {IP_CT_DIR_ORIGINAL}}};
}
Steps is_answer() {
    return {LoadCt{NFT_CT_DIRECTION, 0}, Compare{0, {IP_CT_DIR_REPLY}}};
}
Steps was_forwarded() {
    return ct_has(NFT_CT_STATUS, IPS_DST_NAT);
}
Steps family_is(bool v6) {
    return {LoadMeta{NFT_META_NFPROTO, 0},
            Compare{0, {static_cast<std::uint8_t>(v6 ? NFPROTO_IPV6 : NFPROTO_IPV4)}}};
}
Steps protocol_is(std::uint8_t protocol) {
    return {LoadMeta{NFT_META_L4PROTO, 0}, Compare{0, {protocol}}};
}
Steps type_is(std::uint8_t type) {
    return {LoadTransport{0, 1, 0}, Compare{0, {type}}};
}
Steps in_is_in(const char* set) {
    return {LoadMeta{NFT_META_IIFNAME, 0}, Lookup{set, 0}};
}
Steps out_is_in(const char* set) {
    return {LoadMeta{NFT_META_OIFNAME, 0}, Lookup{set, 0}};
}
Steps in_is_not_in(const char* set) {
    return {LoadMeta{NFT_META_IIFNAME, 0}, Lookup{set, 0, true}};
}
Steps out_is_not_in(const char* set) {
    return {LoadMeta{NFT_META_OIFNAME, 0}, Lookup{set, 0, true}};
}
Steps pair_is_in(const char* set) {
    // An interface's name fills four registers.
    return {LoadMeta{NFT_META_IIFNAME, 0}, LoadMeta{NFT_META_OIFNAME, 4}, Lookup{set, 0}};
}
Steps verdict(std::int32_t what) {
    return {Verdict{what}};
}
Steps jump(const char* chain) {
    return {Verdict{NFT_JUMP, chain}};
}
Steps go_to(const char* chain) {
    return {Verdict{NFT_GOTO, chain}};
}

unsigned width(bool v6) {
    return v6 ? 4 : 1;
}

Steps load_source(bool v6, unsigned reg) {
    return {LoadNetwork{v6 ? 8U : 12U, v6 ? 16U : 4U, reg}};
}

Steps load_destination(bool v6, unsigned reg) {
    return {LoadNetwork{v6 ? 24U : 16U, v6 ? 16U : 4U, reg}};
}

Steps masked(const PrefixSet& set) {
    const std::vector<std::uint8_t> ones(set.v6 ? 16 : 4, 0xff);
    const auto mask = Ip(ones).masked(set.length);
    return {Mask{0, {mask.bytes().begin(), mask.bytes().end()}}};
}

std::vector<PrefixSet> in_order(const std::set<std::string>& names, std::initializer_list<SetRole> roles) {
    std::vector<PrefixSet> ordered;
    for (const SetRole role : roles) {
        std::vector<PrefixSet> same;
        for (const std::string& name : names) {
            const auto set = PrefixSet::parse(name);
            if (set && set->role == role) {
                same.push_back(*set);
            }
        }
        std::ranges::sort(same, [](const PrefixSet& a, const PrefixSet& b) {
            return std::pair(a.v6, b.length) < std::pair(b.v6, a.length);
        });
        ordered.insert(ordered.end(), same.begin(), same.end());
    }
    return ordered;
}

}  // namespace partd::nat
