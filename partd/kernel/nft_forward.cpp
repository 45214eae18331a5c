#include "kernel/nft_forward.h"

#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <map>

namespace partd::kernel::nft {

namespace {

Message make_request(std::uint8_t type) {
    Message message(static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type), NLM_F_DUMP);
    message.head(nfgenmsg{.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0, .res_id = 0});
    return message;
}

std::string family_name(std::uint8_t family) {
    return family == NFPROTO_IPV4   ? "ip"
           : family == NFPROTO_IPV6 ? "ip6"
           : family == NFPROTO_INET ? "inet"
                                    : "";
}

std::uint32_t number_of(const Attributes& attributes, std::uint16_t type) {
    return ntohl(attributes.number<std::uint32_t>(type).value_or(0));
}

// What one expression of a rule does, as far as it matters here.
enum class Does : std::uint8_t { Nothing, Chooses, Accepts, Drops };

struct Expression {
    Does does = Does::Chooses;
    std::string text;  // of a comparison: the bytes as text
};

Expression verdict(std::uint32_t code) {
    return {.does = code == NF_ACCEPT ? Does::Accepts
                    : code == NF_DROP ? Does::Drops
                                      : Does::Chooses,
            .text = {}};
}

Expression read_expression(const Attributes& expression) {
    const std::string name = expression.text(NFTA_EXPR_NAME);
    const Attributes data = expression.nested(NFTA_EXPR_DATA);
    if (name == "counter" || name == "log" || name == "meta" || name == "notrack") {
        return {.does = Does::Nothing, .text = {}};  // meta alone only loads
    }
    if (name == "immediate") {
        const Attributes value = data.nested(NFTA_IMMEDIATE_DATA).nested(NFTA_DATA_VERDICT);
        return value.has(NFTA_VERDICT_CODE) ? verdict(number_of(value, NFTA_VERDICT_CODE)) : Expression{};
    }
    if (name == "reject") {
        return {.does = Does::Drops, .text = {}};
    }
    if (name == "target") {  // of xtables, as iptables-nft(8) makes it
        const std::string target = data.text(NFTA_TARGET_NAME);
        return {.does = target == "REJECT" || target == "DROP" ? Does::Drops : Does::Chooses, .text = {}};
    }
    if (name == "cmp") {
        const auto raw = data.nested(NFTA_CMP_DATA).bytes(NFTA_DATA_VALUE);
        std::string text(raw.begin(), raw.end());
        return {.does = Does::Chooses, .text = text.substr(0, text.find('\0'))};
    }
    return {};
}

// A list has many attributes of one type.
std::vector<Expression> read_expressions(std::span<const std::uint8_t> list) {
    std::vector<Expression> all;
    while (list.size() >= NLA_HDRLEN) {
        nlattr header{};
        std::memcpy(&header, list.data(), sizeof header);
        if (header.nla_len < NLA_HDRLEN || header.nla_len > list.size()) {
            break;
        }
        all.push_back(read_expression(Attributes(list.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN))));
        list = list.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), list.size()));
    }
    return all;
}

struct ReadRule {
    bool drops_all = false;
    std::set<std::string> accepted;
};

ReadRule read_rule(const Attributes& rule) {
    const auto expressions = read_expressions(rule.bytes(NFTA_RULE_EXPRESSIONS));
    const auto has = [&](Does does) {
        return std::ranges::find(expressions, does, &Expression::does) != expressions.end();
    };
    ReadRule read{.drops_all = has(Does::Drops) && !has(Does::Chooses), .accepted = {}};
    if (has(Does::Accepts)) {
        for (const Expression& expression : expressions) {
            if (!expression.text.empty()) {
                read.accepted.insert(expression.text);
            }
        }
    }
    return read;
}

using TableKey = std::pair<std::string, std::string>;  // family and name

struct Seen {
    std::vector<ForwardChain> chains;
    std::map<TableKey, std::set<std::string>> accepted;
    std::map<std::pair<TableKey, std::string>, bool> last_drops;  // by table and chain
};

void see_chain(const Reply& reply, Seen& seen) {
    const auto chain = reply.attributes<nfgenmsg>();
    const auto hook = chain.nested(NFTA_CHAIN_HOOK);
    const std::string family = family_name(reply.head<nfgenmsg>().nfgen_family);
    if (!family.empty() && hook.has(NFTA_HOOK_HOOKNUM) &&
        number_of(hook, NFTA_HOOK_HOOKNUM) == NF_INET_FORWARD && chain.text(NFTA_CHAIN_TYPE) == "filter") {
        seen.chains.push_back(
            {.family = family,
             .table = chain.text(NFTA_CHAIN_TABLE),
             .name = chain.text(NFTA_CHAIN_NAME),
             .policy_drops = chain.has(NFTA_CHAIN_POLICY) && number_of(chain, NFTA_CHAIN_POLICY) == NF_DROP,
             .accepted = {}});
    }
}

void see_rule(const Reply& reply, Seen& seen) {
    const auto rule = reply.attributes<nfgenmsg>();
    const TableKey table{family_name(reply.head<nfgenmsg>().nfgen_family), rule.text(NFTA_RULE_TABLE)};
    ReadRule read = read_rule(rule);
    seen.last_drops[{table, rule.text(NFTA_RULE_CHAIN)}] = read.drops_all;
    seen.accepted[table].merge(read.accepted);
}

}  // namespace

Result<std::vector<ForwardChain>> forward_chains() {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    PARTD_TRY(socket);
    Seen seen;
    auto dumped = socket->dump(
        make_request(NFT_MSG_GETCHAIN), [&] { seen.chains.clear(); },
        [&](const Reply& reply) { see_chain(reply, seen); });
    if (dumped) {
        dumped = socket->dump(
            make_request(NFT_MSG_GETRULE), [&] { seen.accepted.clear(), seen.last_drops.clear(); },
            [&](const Reply& reply) { see_rule(reply, seen); });
    }
    if (!dumped) {
        return std::unexpected(std::move(dumped).error().wrap("read the nftables of others"));
    }
    for (ForwardChain& chain : seen.chains) {
        const TableKey table{chain.family, chain.table};
        chain.last_rule_drops = seen.last_drops[{table, chain.name}];
        chain.accepted = seen.accepted[table];
    }
    return std::move(seen.chains);
}

}  // namespace partd::kernel::nft
