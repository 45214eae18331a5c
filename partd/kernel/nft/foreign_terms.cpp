// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/foreign_terms.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace partd::kernel::nft {

namespace {

std::uint32_t number_of(const Attributes& attributes, std::uint16_t type) {
    return ntohl(attributes.number<std::uint32_t>(type).value_or(0));
}

// NFT_REG_1 to 4 are 16 bytes each, NFT_REG32_00 to 15 four: both begin where word 0 is.
unsigned word_of(const Attributes& attributes, std::uint16_t type) {
    const std::uint32_t reg = number_of(attributes, type);
    constexpr unsigned kWords = 16;
    return std::min(reg >= NFT_REG32_00 ? reg - NFT_REG32_00
                    : reg >= NFT_REG_1  ? (reg - NFT_REG_1) * 4
                                        : 0,
                    kWords);
}

std::vector<std::uint8_t> value_of(const Attributes& attributes, std::uint16_t type) {
    const auto raw = attributes.nested(type).bytes(NFTA_DATA_VALUE);
    return {raw.begin(), raw.end()};
}

Term read_meta(const Attributes& data) {
    if (data.has(NFTA_META_SREG)) {
        return Load{.what = Holds::Other, .reg = 16, .size = 0};  // sets a mark: nothing is asked
    }
    const unsigned reg = word_of(data, NFTA_META_DREG);
    switch (number_of(data, NFTA_META_KEY)) {
        case NFT_META_IIFNAME:
            return Load{Holds::InName, reg, 0, 16};
        case NFT_META_OIFNAME:
            return Load{Holds::OutName, reg, 0, 16};
        case NFT_META_IIF:
            return Load{Holds::InIndex, reg, 0, 4};
        case NFT_META_OIF:
            return Load{Holds::OutIndex, reg, 0, 4};
        case NFT_META_NFPROTO:
            return Load{Holds::Family, reg, 0, 1};
        case NFT_META_L4PROTO:
            return Load{Holds::Protocol, reg, 0, 1};
        default:
            return Load{Holds::Other, reg, 0, 16};
    }
}

Term read_ct(const Attributes& data) {
    const unsigned reg = word_of(data, NFTA_CT_DREG);
    const std::uint32_t key = number_of(data, NFTA_CT_KEY);
    return Load{key == NFT_CT_STATE    ? Holds::State
                : key == NFT_CT_STATUS ? Holds::Status
                                       : Holds::Other,
                reg, 0, key == NFT_CT_STATE || key == NFT_CT_STATUS ? 4U : 16U};
}

Term read_payload(const Attributes& data) {
    const std::uint32_t base = number_of(data, NFTA_PAYLOAD_BASE);
    return Load{base == NFT_PAYLOAD_NETWORK_HEADER     ? Holds::Network
                : base == NFT_PAYLOAD_TRANSPORT_HEADER ? Holds::Transport
                                                       : Holds::Other,
                word_of(data, NFTA_PAYLOAD_DREG), number_of(data, NFTA_PAYLOAD_OFFSET),
                std::min(number_of(data, NFTA_PAYLOAD_LEN), 16U)};
}

Term read_bitwise(const Attributes& data) {
    if (data.has(NFTA_BITWISE_OP) && number_of(data, NFTA_BITWISE_OP) != NFT_BITWISE_BOOL) {
        return Unclear{};
    }
    return Masked{word_of(data, NFTA_BITWISE_SREG), word_of(data, NFTA_BITWISE_DREG),
                  value_of(data, NFTA_BITWISE_MASK), value_of(data, NFTA_BITWISE_XOR)};
}

Term read_fib(const Attributes& data) {
    const bool to_type = number_of(data, NFTA_FIB_RESULT) == NFT_FIB_RESULT_ADDRTYPE &&
                         number_of(data, NFTA_FIB_FLAGS) == NFTA_FIB_F_DADDR;
    return Load{to_type ? Holds::ToType : Holds::Other, word_of(data, NFTA_FIB_DREG), 0, 4};
}

Term read_range(const Attributes& data) {
    return Between{word_of(data, NFTA_RANGE_SREG), number_of(data, NFTA_RANGE_OP) == NFT_RANGE_NEQ,
                   value_of(data, NFTA_RANGE_FROM_DATA), value_of(data, NFTA_RANGE_TO_DATA)};
}

Term read_lookup(const Attributes& data) {
    return Found{data.text(NFTA_LOOKUP_SET), word_of(data, NFTA_LOOKUP_SREG),
                 (number_of(data, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0,
                 data.has(NFTA_LOOKUP_DREG) && number_of(data, NFTA_LOOKUP_DREG) == NFT_REG_VERDICT};
}

// The information of a match or target, which the kernel hands out as its own struct.
template <class T>
T info_of(std::span<const std::uint8_t> raw) {
    T info{};
    std::memcpy(&info, raw.data(), std::min(sizeof info, raw.size()));
    return info;
}

Term read_tracked(std::span<const std::uint8_t> raw) {
    const auto info = info_of<xt_conntrack_mtinfo3>(raw);
    constexpr unsigned kKnown = XT_CONNTRACK_STATE | XT_CONNTRACK_STATUS;
    const bool inverted_status = (info.invert_flags & XT_CONNTRACK_STATUS) != 0;
    const bool states = (info.match_flags & XT_CONNTRACK_STATE) != 0;
    return Tracked{
        .states = states ? info.state_mask : 0U,
        .status = (info.match_flags & XT_CONNTRACK_STATUS) != 0 ? info.status_mask : 0U,
        .inverted_state = (info.invert_flags & XT_CONNTRACK_STATE) != 0,
        .translated = states && (info.state_mask & XT_CONNTRACK_STATE_DNAT) != 0,
        .other = (info.match_flags & ~kKnown) != 0 || inverted_status,
    };
}

Term read_ports(const std::string& name, std::span<const std::uint8_t> raw) {
    constexpr std::uint16_t kLast = 65535;
    Ports ports;
    if (name == "multiport") {
        const auto info = info_of<xt_multiport_v1>(raw);
        for (unsigned i = 0; i < std::min<unsigned>(info.count, XT_MULTI_PORTS); ++i) {
            const bool range = info.pflags[i] != 0 && i + 1 < XT_MULTI_PORTS;
            ports.to.emplace_back(info.ports[i], info.ports[range ? i + 1 : i]);
            i += range ? 1 : 0;
        }
        ports.inverted = info.invert != 0;
        ports.other = info.flags == XT_MULTIPORT_SOURCE;
        return ports;
    }
    if (name == "udp") {
        const auto info = info_of<xt_udp>(raw);
        ports.to = {{info.dpts[0], info.dpts[1]}};
        ports.inverted = (info.invflags & XT_UDP_INV_DSTPT) != 0;
        ports.other = info.spts[0] != 0 || info.spts[1] != kLast;
        return ports;
    }
    const auto info = info_of<xt_tcp>(raw);
    ports.to = {{info.dpts[0], info.dpts[1]}};
    ports.inverted = (info.invflags & XT_TCP_INV_DSTPT) != 0;
    ports.other = info.spts[0] != 0 || info.spts[1] != kLast || info.flg_mask != 0 || info.option != 0;
    return ports;
}

Term read_to_types(std::uint32_t revision, std::span<const std::uint8_t> raw) {
    const auto info = info_of<xt_addrtype_info_v1>(raw);
    constexpr unsigned kLimits = XT_ADDRTYPE_LIMIT_IFACE_IN | XT_ADDRTYPE_LIMIT_IFACE_OUT;
    return ToTypes{
        .types = info.dest,
        .inverted = (info.flags & XT_ADDRTYPE_INVERT_DEST) != 0,
        .other = revision != 1 || info.source != 0 || info.dest == 0 || (info.flags & kLimits) != 0};
}

Term read_match(const Attributes& data) {
    const std::string name = data.text(NFTA_MATCH_NAME);
    const auto info = data.bytes(NFTA_MATCH_INFO);
    const std::uint32_t revision = number_of(data, NFTA_MATCH_REV);
    if (name == "conntrack" && revision >= 2) {
        return read_tracked(info);
    }
    if (name == "tcp" || name == "udp" || (name == "multiport" && revision == 1)) {
        return read_ports(name, info);
    }
    if (name == "addrtype") {
        return read_to_types(revision, info);
    }
    if (name == "comment") {
        return Load{.what = Holds::Other, .reg = 16, .size = 0};
    }
    return Unclear{};
}

std::string translated_to(const Attributes& data) {
    const auto info = data.bytes(NFTA_TARGET_INFO);
    if (number_of(data, NFTA_TARGET_REV) != 2 || info.size() < sizeof(nf_nat_range2)) {
        return "";
    }
    const auto range = info_of<nf_nat_range2>(info);
    std::array<std::uint8_t, 4> ip{};
    std::memcpy(ip.data(), &range.min_addr.ip, ip.size());
    return (range.flags & NF_NAT_RANGE_MAP_IPS) == 0
               ? ""
               : fmt::format("{}.{}.{}.{}:{}", ip[0], ip[1], ip[2], ip[3], ntohs(range.min_proto.all));
}

// Of xtables, as iptables-nft(8) makes them; what neither ends nor translates lets the packet go on.
Term read_target(const Attributes& data) {
    const std::string target = data.text(NFTA_TARGET_NAME);
    if (target == "REJECT" || target == "DROP") {
        return Ends{.deed = Deed::Drop, .chain = {}, .to = {}};
    }
    if (target == "DNAT" || target == "REDIRECT") {
        return Ends{.deed = Deed::Translate, .chain = {}, .to = target == "DNAT" ? translated_to(data) : ""};
    }
    static const std::set<std::string> kEnding = {"SNAT", "MASQUERADE", "NETMAP", "NFQUEUE", "TPROXY"};
    if (kEnding.contains(target)) {
        return Ends{};
    }
    return Load{.what = Holds::Other, .reg = 16, .size = 0};
}

Term read_expression(const Attributes& expression) {
    const std::string name = expression.text(NFTA_EXPR_NAME);
    const Attributes data = expression.nested(NFTA_EXPR_DATA);
    using Reader = Term (*)(const Attributes&);
    static const std::map<std::string, Reader> kReaders = {
        {"meta", read_meta},     {"ct", read_ct},           {"payload", read_payload},
        {"fib", read_fib},       {"bitwise", read_bitwise}, {"range", read_range},
        {"lookup", read_lookup}, {"match", read_match},     {"target", read_target},
    };
    if (const auto reader = kReaders.find(name); reader != kReaders.end()) {
        return reader->second(data);
    }
    static const std::set<std::string> kIdle = {"counter", "log", "notrack", "objref", "last"};
    if (kIdle.contains(name)) {
        return Load{.what = Holds::Other, .reg = 16, .size = 0};
    }
    if (name == "cmp") {
        return Compared{word_of(data, NFTA_CMP_SREG), number_of(data, NFTA_CMP_OP),
                        value_of(data, NFTA_CMP_DATA)};
    }
    if (name == "immediate") {
        const Attributes value = data.nested(NFTA_IMMEDIATE_DATA);
        return value.has(NFTA_DATA_VERDICT) ? Term(read_verdict(value.nested(NFTA_DATA_VERDICT)))
                                            : Term(Load{Holds::Other, word_of(data, NFTA_IMMEDIATE_DREG)});
    }
    if (name == "reject") {
        return Ends{.deed = Deed::Drop, .chain = {}, .to = {}};
    }
    const bool destination = name == "nat" && number_of(data, NFTA_NAT_TYPE) == NFT_NAT_DNAT;
    if (destination || name == "redir" || name == "tproxy") {
        return Ends{.deed = Deed::Translate, .chain = {}, .to = {}};
    }
    if (name == "nat" || name == "masq" || name == "queue") {
        return Ends{};
    }
    return Unclear{};
}

}  // namespace

void for_members(std::span<const std::uint8_t> list, const std::function<void(const Attributes&)>& each) {
    while (list.size() >= NLA_HDRLEN) {
        nlattr header{};
        std::memcpy(&header, list.data(), sizeof header);
        if (header.nla_len < NLA_HDRLEN || header.nla_len > list.size()) {
            return;
        }
        each(Attributes(list.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN)));
        list = list.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), list.size()));
    }
}

Ends read_verdict(const Attributes& verdict) {
    const auto code = static_cast<std::int32_t>(number_of(verdict, NFTA_VERDICT_CODE));
    std::string chain = verdict.text(NFTA_VERDICT_CHAIN);
    switch (code) {
        case NF_DROP:
            return {.deed = Deed::Drop, .chain = {}, .to = {}};
        case NFT_JUMP:
            return {.deed = Deed::Jump, .chain = std::move(chain), .to = {}};
        case NFT_GOTO:
            return {.deed = Deed::Goto, .chain = std::move(chain), .to = {}};
        case NFT_RETURN:
            return {.deed = Deed::Return, .chain = {}, .to = {}};
        case NFT_CONTINUE:
            return {.deed = Deed::Jump, .chain = {}, .to = {}};
        default:
            return {};
    }
}

ForeignRule read_terms(std::span<const std::uint8_t> list) {
    ForeignRule rule;
    for_members(list, [&](const Attributes& expression) {
        Term term = read_expression(expression);
        const Load* load = std::get_if<Load>(&term);
        if (load == nullptr || load->size > 0) {
            rule.push_back(std::move(term));
        }
    });
    return rule;
}

}  // namespace partd::kernel::nft
