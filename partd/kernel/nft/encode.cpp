// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/encode.h"

#include "base/error.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/udata.h>

namespace partd::kernel::nft {

namespace {

// libnftnl only fails to allocate.
template <class T>
T* allocated(T* object) {
    if (object == nullptr) {
        throw std::bad_alloc();
    }
    return object;
}

std::uint32_t register_number(unsigned reg) {
    return NFT_REG32_00 + reg;
}

nftnl_expr* expression(const char* name) {
    return allocated(nftnl_expr_alloc(name));
}

nftnl_expr* payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, unsigned reg) {
    nftnl_expr* e = expression("payload");
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, length);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, register_number(reg));
    return e;
}

nftnl_expr* nat(std::uint32_t type, bool v6, unsigned address) {
    nftnl_expr* e = expression("nat");
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, type);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, register_number(address));
    return e;
}

nftnl_expr* fib(std::uint32_t flags, std::uint32_t result, unsigned reg) {
    nftnl_expr* e = expression("fib");
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, flags);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, result);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, register_number(reg));
    return e;
}

struct Encoder {
    nftnl_expr* operator()(const LoadMeta& s) const {
        nftnl_expr* e = expression("meta");
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, s.key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, register_number(s.reg));
        return e;
    }
    nftnl_expr* operator()(const SetMeta& s) const {
        nftnl_expr* e = expression("meta");
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, s.key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, register_number(s.reg));
        return e;
    }
    nftnl_expr* operator()(const LoadCt& s) const {
        nftnl_expr* e = expression("ct");
        nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, s.key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, register_number(s.reg));
        if (s.direction) {
            nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, *s.direction);
        }
        return e;
    }
    nftnl_expr* operator()(const LoadNetwork& s) const {
        return payload(NFT_PAYLOAD_NETWORK_HEADER, s.offset, s.length, s.reg);
    }
    nftnl_expr* operator()(const LoadTransport& s) const {
        return payload(NFT_PAYLOAD_TRANSPORT_HEADER, s.offset, s.length, s.reg);
    }
    nftnl_expr* operator()(const LoadLocalDestination& s) const {
        return fib(NFTA_FIB_F_DADDR | (s.here ? std::uint32_t{NFTA_FIB_F_IIF} : 0U), NFT_FIB_RESULT_ADDRTYPE,
                   s.reg);
    }
    nftnl_expr* operator()(const LoadLocalSource& s) const {
        return fib(NFTA_FIB_F_SADDR, NFT_FIB_RESULT_ADDRTYPE, s.reg);
    }
    nftnl_expr* operator()(const LoadWayBack& s) const {
        return fib(NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF, NFT_FIB_RESULT_OIF, s.reg);
    }
    nftnl_expr* operator()(const LoadConstant& s) const {
        nftnl_expr* e = expression("immediate");
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, register_number(s.reg));
        nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, s.value.data(), static_cast<std::uint32_t>(s.value.size()));
        return e;
    }
    nftnl_expr* operator()(const Mask& s) const {
        const std::vector<std::uint8_t> zero(s.mask.size());
        const auto length = static_cast<std::uint32_t>(s.mask.size());
        nftnl_expr* e = expression("bitwise");
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, register_number(s.reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, register_number(s.reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, length);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, s.mask.data(), length);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero.data(), length);
        return e;
    }
    nftnl_expr* operator()(const Compare& s) const {
        nftnl_expr* e = expression("cmp");
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, register_number(s.reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, s.equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
        nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, s.value.data(), static_cast<std::uint32_t>(s.value.size()));
        return e;
    }
    nftnl_expr* operator()(const Lookup& s) const {
        nftnl_expr* e = expression("lookup");
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, register_number(s.reg));
        nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, s.set.c_str());
        if (s.into) {
            nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, register_number(*s.into));
        }
        if (s.inverted) {
            nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
        }
        return e;
    }
    nftnl_expr* operator()(const Verdict& s) const {
        nftnl_expr* e = expression("immediate");
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(s.verdict));
        if (!s.chain.empty()) {
            nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, s.chain.c_str());
        }
        return e;
    }
    nftnl_expr* operator()(const Dnat& s) const {
        nftnl_expr* e = nat(NFT_NAT_DNAT, s.v6, s.address);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, register_number(s.port));
        return e;
    }
    nftnl_expr* operator()(const Snat& s) const {
        nftnl_expr* e = nat(NFT_NAT_SNAT, s.v6, s.address);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, register_number(s.ports.first));
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MAX, register_number(s.ports.last));
        return e;
    }
    nftnl_expr* operator()(const Masquerade& s) const {
        nftnl_expr* e = expression("masq");
        if (s.ports) {
            nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
            nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MIN, register_number(s.ports->first));
            nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MAX, register_number(s.ports->last));
        }
        return e;
    }
};

// The data types of nft(8), src/datatype.c: what it prints them as; a concatenation has six bits for each.
std::uint32_t type_number(const std::vector<Part>& parts) {
    constexpr std::uint32_t kTypes[] = {7 /* ipv4_addr */,   8 /* ipv6_addr */,     41 /* ifname */,
                                        12 /* inet_proto */, 13 /* inet_service */, 2 /* nf_proto */};
    std::uint32_t type = 0;
    for (const Part part : parts) {
        type = (type << 6) | kTypes[static_cast<std::size_t>(part)];
    }
    return type;
}

std::size_t total_size(const std::vector<Part>& parts) {
    std::size_t size = 0;
    for (const Part part : parts) {
        size += (part_size(part) + 3) / 4 * 4;
    }
    // A single component is not padded.
    return parts.size() == 1 ? part_size(parts[0]) : size;
}

constexpr std::uint8_t kCommentType =
    0;  // NFTNL_UDATA_RULE_COMMENT, _SET_ELEM_COMMENT and _TABLE_COMMENT alike

}  // namespace

std::size_t part_size(Part part) {
    constexpr std::size_t kSizes[] = {4, 16, 16, 1, 2, 1};
    return kSizes[static_cast<std::size_t>(part)];
}

std::size_t Set::key_size() const {
    return total_size(key);
}

constexpr std::size_t kMostMessage = 32768;  // a rule or a set is some hundred bytes

// A message of nf_tables with the payload that `build` puts behind its header.
std::vector<std::uint8_t> make_message(std::uint16_t type, std::uint16_t flags,
                                       const std::function<void(nlmsghdr*)>& build) {
    alignas(nlmsghdr) thread_local std::array<std::uint8_t, kMostMessage> scratch;
    nlmsghdr* header =
        nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(scratch.data()), type, NFPROTO_INET, flags, 0);
    build(header);
    return {scratch.begin(), scratch.begin() + header->nlmsg_len};
}

TablePtr encode_table(const std::string& name) {
    TablePtr table(nftnl_table_alloc(), nftnl_table_free);
    nftnl_table_set_u32(table.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name.c_str());
    return table;
}

RulePtr encode_rule(const std::string& table, const Rule& rule) {
    RulePtr encoded(allocated(nftnl_rule_alloc()), nftnl_rule_free);
    nftnl_rule_set_u32(encoded.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(encoded.get(), NFTNL_RULE_TABLE, table.c_str());
    nftnl_rule_set_str(encoded.get(), NFTNL_RULE_CHAIN, rule.chain.c_str());
    const auto comment = encode_comment(rule.comment);
    nftnl_rule_set_data(encoded.get(), NFTNL_RULE_USERDATA, comment.data(),
                        static_cast<std::uint32_t>(comment.size()));
    for (const Step& step : rule.steps) {
        nftnl_rule_add_expr(encoded.get(), std::visit(Encoder(), step));
    }
    return encoded;
}

namespace {

// How nft(8) is to read a key or data of one component: names in the machine's byte order, the rest in the
// network's (enum byteorder of its include/datatype.h).
std::uint32_t byte_order(const std::vector<Part>& parts) {
    constexpr std::uint32_t kInvalid = 0;
    constexpr std::uint32_t kHost = 1;
    constexpr std::uint32_t kNetwork = 2;
    return parts.size() != 1                                      ? kInvalid
           : parts[0] == Part::IfName || parts[0] == Part::Family ? kHost
                                                                  : kNetwork;
}

void add_byte_orders(nftnl_set* encoded, const Set& set) {
    nftnl_udata_buf* buffer = allocated(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
    nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_KEYBYTEORDER, byte_order(set.key));
    if (!set.data.empty()) {
        nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_DATABYTEORDER, byte_order(set.data));
    }
    nftnl_set_set_data(encoded, NFTNL_SET_USERDATA, nftnl_udata_buf_data(buffer),
                       nftnl_udata_buf_len(buffer));
    nftnl_udata_buf_free(buffer);
}

}  // namespace

SetPtr encode_set(const std::string& table, const Set& set, std::uint32_t id) {
    SetPtr encoded(allocated(nftnl_set_alloc()), nftnl_set_free);
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_str(encoded.get(), NFTNL_SET_TABLE, table.c_str());
    nftnl_set_set_str(encoded.get(), NFTNL_SET_NAME, set.name.c_str());
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_ID, id);
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_KEY_TYPE, type_number(set.key));
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_KEY_LEN, static_cast<std::uint32_t>(total_size(set.key)));
    if (!set.data.empty()) {
        nftnl_set_set_u32(encoded.get(), NFTNL_SET_FLAGS, NFT_SET_MAP);
        nftnl_set_set_u32(encoded.get(), NFTNL_SET_DATA_TYPE, type_number(set.data));
        nftnl_set_set_u32(encoded.get(), NFTNL_SET_DATA_LEN,
                          static_cast<std::uint32_t>(total_size(set.data)));
    }
    add_byte_orders(encoded.get(), set);
    if (set.counter) {
        nftnl_set_add_expr(encoded.get(), expression("counter"));
    }
    return encoded;
}

std::vector<std::uint8_t> encode_comment(const std::string& comment) {
    nftnl_udata_buf* buffer = allocated(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
    nftnl_udata_put_strz(buffer, kCommentType, comment.c_str());
    const auto* data = static_cast<const std::uint8_t*>(nftnl_udata_buf_data(buffer));
    std::vector<std::uint8_t> encoded(data, data + nftnl_udata_buf_len(buffer));
    nftnl_udata_buf_free(buffer);
    return encoded;
}

std::string decode_comment(const void* data, std::uint32_t size) {
    // Type, length, text with its NUL; foreign bytes are not trusted to be that.
    const std::span bytes(static_cast<const std::uint8_t*>(data), data == nullptr ? 0 : size);
    if (bytes.size() < 2 || bytes[0] != kCommentType || bytes.size() < 2U + bytes[1]) {
        return {};
    }
    const auto text = bytes.subspan(2, bytes[1]);
    return {text.begin(), std::ranges::find(text, 0)};
}

}  // namespace partd::kernel::nft
