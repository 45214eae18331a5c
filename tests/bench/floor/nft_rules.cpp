// SPDX-License-Identifier: Apache-2.0
#include "nft_rules.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>

namespace bench {

namespace {

// One rule, written expression by expression. Registers are those of four bytes, from 0.
class Rule {
public:
    Rule(Messages& m, const char* chain, const char* comment) : m_(m), comment_(comment) {
        begin_nft(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
        m.text(NFTA_RULE_TABLE, kTable).text(NFTA_RULE_CHAIN, chain).open(NFTA_RULE_EXPRESSIONS, true);
    }
    ~Rule() { m_.close().attribute(NFTA_RULE_USERDATA, comment_data(comment_)).end(); }
    Rule(const Rule&) = delete;
    Rule& operator=(const Rule&) = delete;

    Rule& meta(std::uint32_t key, std::uint32_t reg = 0) {
        open("meta").big(NFTA_META_KEY, key).big(NFTA_META_DREG, NFT_REG32_00 + reg);
        return close();
    }
    Rule& ct(std::uint32_t key) {
        open("ct").big(NFTA_CT_KEY, key).big(NFTA_CT_DREG, NFT_REG32_00);
        return close();
    }
    Rule& network(std::uint32_t offset, std::uint32_t length) {
        open("payload")
            .big(NFTA_PAYLOAD_DREG, NFT_REG32_00)
            .big(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        m_.big(NFTA_PAYLOAD_OFFSET, offset).big(NFTA_PAYLOAD_LEN, length);
        return close();
    }
    Rule& mask(std::span<const std::uint8_t> mask) {
        open("bitwise").big(NFTA_BITWISE_SREG, NFT_REG32_00).big(NFTA_BITWISE_DREG, NFT_REG32_00);
        m_.big(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
        data(NFTA_BITWISE_MASK, mask);
        data(NFTA_BITWISE_XOR, std::vector<std::uint8_t>(mask.size()));
        return close();
    }
    Rule& compare(std::uint32_t operation, std::span<const std::uint8_t> value) {
        open("cmp").big(NFTA_CMP_SREG, NFT_REG32_00).big(NFTA_CMP_OP, operation);
        data(NFTA_CMP_DATA, value);
        return close();
    }
    Rule& lookup(const char* set, bool inverted = false) {
        open("lookup").text(NFTA_LOOKUP_SET, set).big(NFTA_LOOKUP_SREG, NFT_REG32_00);
        if (inverted) {
            m_.big(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
        }
        return close();
    }
    Rule& local_source() {
        open("fib").big(NFTA_FIB_DREG, NFT_REG32_00).big(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        m_.big(NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR);
        close();
        return compare(NFT_CMP_EQ, number(RTN_LOCAL));
    }
    Rule& masquerade() {
        open("masq");
        return close();
    }
    Rule& verdict(std::int32_t code, const char* chain = nullptr) {
        open("immediate").big(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT).open(NFTA_IMMEDIATE_DATA, true);
        m_.open(NFTA_DATA_VERDICT, true).big(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
        if (chain != nullptr) {
            m_.text(NFTA_VERDICT_CHAIN, chain);
        }
        m_.close().close();
        return close();
    }

    Rule& any_of(std::uint32_t key, std::uint32_t bits) {
        return ct(key).mask(number(bits)).compare(NFT_CMP_NEQ, number(0));
    }
    Rule& pair_in(const char* set) { return meta(NFT_META_IIFNAME).meta(NFT_META_OIFNAME, 4).lookup(set); }
    Rule& in(const char* set) { return meta(NFT_META_IIFNAME).lookup(set); }
    Rule& out(const char* set) { return meta(NFT_META_OIFNAME).lookup(set); }
    Rule& family(std::uint8_t family) {
        return meta(NFT_META_NFPROTO).compare(NFT_CMP_EQ, std::array{family});
    }

private:
    static std::array<std::uint8_t, 4> number(std::uint32_t value) {
        std::array<std::uint8_t, 4> bytes = {};
        std::memcpy(bytes.data(), &value, sizeof value);
        return bytes;
    }
    Messages& open(const char* name) {
        return m_.open(NFTA_LIST_ELEM, true).text(NFTA_EXPR_NAME, name).open(NFTA_EXPR_DATA, true);
    }
    Rule& close() {
        m_.close().close();
        return *this;
    }
    void data(std::uint16_t type, std::span<const std::uint8_t> value) {
        m_.open(type, true).attribute(NFTA_DATA_VALUE, value).close();
    }

    Messages& m_;
    const char* comment_;
};

struct Chain {
    const char* name;
    const char* type = nullptr;  // without one a chain that others jump to
    std::uint32_t hook = 0;
    std::int32_t priority = 0;
};

constexpr Chain kChains[] = {
    {"forwards"},
    {"forward", "filter", NF_INET_FORWARD, 0},
    {"prerouting", "nat", NF_INET_PRE_ROUTING, -100},
    {"output", "nat", NF_INET_LOCAL_OUT, -100},
    {"postrouting", "nat", NF_INET_POST_ROUTING, 100},
    {"localnet", "filter", NF_INET_PRE_ROUTING, -300},
};

void add_chain(Messages& m, const Chain& chain) {
    begin_nft(m, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    m.text(NFTA_CHAIN_TABLE, kTable).text(NFTA_CHAIN_NAME, chain.name);
    if (chain.type != nullptr) {
        m.open(NFTA_CHAIN_HOOK, true).big(NFTA_HOOK_HOOKNUM, chain.hook);
        m.big(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority)).close();
        m.text(NFTA_CHAIN_TYPE, chain.type).big(NFTA_CHAIN_POLICY, NF_ACCEPT);
    }
    m.end();
}

void add_forward_rules(Messages& m) {
    constexpr std::uint32_t kEstablished = 1U << 1 | 1U << 2;  // NF_CT_STATE_BIT of established and related
    Rule(m, "forward", "established").any_of(NFT_CT_STATE, kEstablished).verdict(NF_ACCEPT);
    Rule(m, "forward", "forwarded ports").any_of(NFT_CT_STATUS, IPS_DST_NAT).verdict(NF_ACCEPT);
    Rule(m, "forward", "declared reach").pair_in("reach").verdict(NF_ACCEPT);
    Rule(m, "forward", "reach any").in("anyward").verdict(NF_ACCEPT);
    Rule(m, "forward", "into a partition").out("inside").verdict(NF_DROP);
    Rule(m, "forward", "reach outside").in("outward").verdict(NF_ACCEPT);
    Rule(m, "forward", "out of a partition").in("inside").verdict(NF_DROP);
}

void add_nat_rules(Messages& m) {
    constexpr std::array<std::uint8_t, 4> kMask24 = {0xff, 0xff, 0xff, 0};
    constexpr std::array<std::uint8_t, 16> kMask64 = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    Rule(m, "prerouting", "port forwards").verdict(NFT_JUMP, "forwards");
    Rule(m, "output", "port forwards").verdict(NFT_JUMP, "forwards");
    Rule(m, "postrouting", "hairpin").any_of(NFT_CT_STATUS, IPS_DST_NAT).pair_in("hairpin").masquerade();
    Rule(m, "postrouting", "from the host")
        .any_of(NFT_CT_STATUS, IPS_DST_NAT)
        .out("inside")
        .local_source()
        .masquerade();
    Rule(m, "postrouting", "masq4_24")
        .family(NFPROTO_IPV4)
        .network(12, 4)
        .mask(kMask24)
        .lookup("masq4_24")
        .meta(NFT_META_OIFNAME, 1)
        .lookup("back4_24", true)
        .masquerade();
    Rule(m, "postrouting", "masq6_64")
        .family(NFPROTO_IPV6)
        .network(8, 16)
        .mask(kMask64)
        .lookup("masq6_64")
        .meta(NFT_META_OIFNAME, 4)
        .lookup("back6_64", true)
        .masquerade();
}

}  // namespace

Messages& begin_nft(Messages& m, std::uint16_t type, std::uint16_t flags) {
    return m.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags)
        .head(nfgenmsg{.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0, .res_id = 0});
}

std::vector<std::uint8_t> comment_data(std::string_view comment) {
    // type 0, length with the NUL: libnftnl's user data
    std::vector<std::uint8_t> data(comment.size() + 3);
    data[1] = static_cast<std::uint8_t>(comment.size() + 1);
    std::memcpy(data.data() + 2, comment.data(), comment.size());
    return data;
}

void add_table(Messages& m) {
    begin_nft(m, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    m.text(NFTA_TABLE_NAME, kTable).attribute(NFTA_TABLE_USERDATA, comment_data("partd")).end();
}

void add_rules(Messages& m) {
    for (const Chain& chain : kChains) {
        add_chain(m, chain);
    }
    add_forward_rules(m);
    add_nat_rules(m);
    constexpr std::array<std::uint8_t, 4> kLoopbackMask = {0xff, 0, 0, 0};
    constexpr std::array<std::uint8_t, 4> kLoopback = {127, 0, 0, 0};
    Rule(m, "localnet", "loopback stays local")
        .family(NFPROTO_IPV4)
        .in("inside")
        .network(16, 4)
        .mask(kLoopbackMask)
        .compare(NFT_CMP_EQ, kLoopback)
        .verdict(NF_DROP);
}

}  // namespace bench
