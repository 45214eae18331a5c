// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/foreign_rules.h"

#include "kernel/nft/foreign_terms.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include <fmt/format.h>

namespace partd::kernel::nft {

namespace {

std::uint32_t number_of(const Attributes& attributes, std::uint16_t type) {
    return ntohl(attributes.number<std::uint32_t>(type).value_or(0));
}

Message make_request(std::uint8_t type, std::uint8_t family = NFPROTO_UNSPEC,
                     std::uint16_t flags = NLM_F_DUMP) {
    Message message(static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type), flags);
    message.head(nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0});
    return message;
}

std::string family_name(std::uint8_t family) {
    return family == NFPROTO_IPV4   ? "ip"
           : family == NFPROTO_IPV6 ? "ip6"
           : family == NFPROTO_INET ? "inet"
                                    : "";
}

std::uint8_t family_number(const std::string& name) {
    return name == "ip" ? NFPROTO_IPV4 : name == "ip6" ? NFPROTO_IPV6 : NFPROTO_INET;
}

using TableKey = std::pair<std::string, std::string>;  // family and name
using Tables = std::map<TableKey, ForeignTable>;

TableKey key_of(const Reply& reply, const Attributes& attributes, std::uint16_t type) {
    return {family_name(reply.head<nfgenmsg>().nfgen_family), attributes.text(type)};
}

void see_chain(const Reply& reply, Tables& tables) {
    const auto chain = reply.attributes<nfgenmsg>();
    const TableKey key = key_of(reply, chain, NFTA_CHAIN_TABLE);
    if (key.first.empty()) {
        return;  // arp, bridge, netdev
    }
    const auto hook = chain.nested(NFTA_CHAIN_HOOK);
    ForeignTable& table = tables[key];
    table.family = key.first;
    table.name = key.second;
    table.chains[chain.text(NFTA_CHAIN_NAME)] = {
        .base = hook.has(NFTA_HOOK_HOOKNUM),
        .type = chain.text(NFTA_CHAIN_TYPE),
        .hook = number_of(hook, NFTA_HOOK_HOOKNUM),
        .priority = static_cast<std::int32_t>(number_of(hook, NFTA_HOOK_PRIORITY)),
        .policy_drops = chain.has(NFTA_CHAIN_POLICY) && number_of(chain, NFTA_CHAIN_POLICY) == NF_DROP,
        .rules = {}};
}

bool concerns_us(const ForeignChain& chain) {
    return filters_forwarded(chain) || translates_destinations(chain);
}

void see_rule(const Reply& reply, Tables& tables) {
    const auto rule = reply.attributes<nfgenmsg>();
    const auto table = tables.find(key_of(reply, rule, NFTA_RULE_TABLE));
    if (table == tables.end()) {
        return;
    }
    if (const auto chain = table->second.chains.find(rule.text(NFTA_RULE_CHAIN));
        chain != table->second.chains.end()) {
        chain->second.rules.push_back(read_terms(rule.bytes(NFTA_RULE_EXPRESSIONS)));
    }
}

// A set is wanted when a rule asks it.
void want_sets(ForeignTable& table) {
    for (const auto& [name, chain] : table.chains) {
        for (const ForeignRule& rule : chain.rules) {
            for (const Term& term : rule) {
                if (const Found* found = std::get_if<Found>(&term)) {
                    table.sets.try_emplace(found->set);
                }
            }
        }
    }
}

void see_set(const Reply& reply, Tables& tables) {
    const auto set = reply.attributes<nfgenmsg>();
    const auto table = tables.find(key_of(reply, set, NFTA_SET_TABLE));
    if (table == tables.end()) {
        return;
    }
    if (const auto found = table->second.sets.find(set.text(NFTA_SET_NAME));
        found != table->second.sets.end()) {
        const std::uint32_t flags = number_of(set, NFTA_SET_FLAGS);
        found->second.interval = (flags & NFT_SET_INTERVAL) != 0;
        found->second.unclear = found->second.interval && (flags & NFT_SET_CONCAT) != 0;
    }
}

void see_element(const Attributes& element, ForeignSet& set) {
    constexpr std::size_t kMost = 65536;
    if (set.elements.size() >= kMost) {
        set.unclear = true;
        return;
    }
    const auto key = element.nested(NFTA_SET_ELEM_KEY).bytes(NFTA_DATA_VALUE);
    ForeignElement seen{
        .key = {key.begin(), key.end()},
        .end = (number_of(element, NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0,
    };
    set.unclear |= key.empty();  // the element for everything else
    const Attributes data = element.nested(NFTA_SET_ELEM_DATA);
    if (data.has(NFTA_DATA_VERDICT)) {
        seen.decides = true;
        seen.ends = read_verdict(data.nested(NFTA_DATA_VERDICT));
    }
    set.elements.push_back(std::move(seen));
}

Result<> read_elements(NetlinkSocket& socket, const ForeignTable& table, const std::string& name,
                       ForeignSet& set) {
    Message request = make_request(NFT_MSG_GETSETELEM, family_number(table.family));
    request.text(NFTA_SET_ELEM_LIST_TABLE, table.name);
    request.text(NFTA_SET_ELEM_LIST_SET, name);
    auto dumped = socket.dump(
        std::move(request), [&] { set.elements.clear(); },
        [&](const Reply& reply) {
            for_members(reply.attributes<nfgenmsg>().bytes(NFTA_SET_ELEM_LIST_ELEMENTS),
                        [&](const Attributes& element) { see_element(element, set); });
        });
    std::ranges::stable_sort(set.elements, {}, &ForeignElement::key);
    // A set that went meanwhile is none that a rule asks now.
    return !dumped && dumped.error().code == ENOENT ? Result<>() : dumped;
}

// The number of the last change of nftables here.
Result<std::uint32_t> ask_generation() {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    PARTD_TRY(socket);
    std::optional<std::uint32_t> generation;
    PARTD_TRY(socket->request(make_request(NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0), [&](const Reply& reply) {
        generation = reply.attributes<nfgenmsg>().number<std::uint32_t>(NFTA_GEN_ID);
    }));
    return generation ? Result<std::uint32_t>(*generation) : fail("nftables does not tell its generation");
}

Result<> read_all(NetlinkSocket& socket, const std::string& own, std::size_t most, Tables& tables) {
    PARTD_TRY(socket.dump(
        make_request(NFT_MSG_GETCHAIN), [&] { tables.clear(); },
        [&](const Reply& reply) { see_chain(reply, tables); }));
    tables.erase({"inet", own});
    std::erase_if(tables, [](const auto& each) {
        return std::ranges::none_of(each.second.chains,
                                    [](const auto& chain) { return concerns_us(chain.second); });
    });
    if (tables.empty()) {
        return {};
    }
    std::size_t rules = 0;
    const auto forget_rules = [&] {
        rules = 0;
        for (auto& [key, table] : tables) {
            std::ranges::for_each(table.chains, [](auto& chain) { chain.second.rules.clear(); });
        }
    };
    PARTD_TRY(socket.dump(make_request(NFT_MSG_GETRULE), forget_rules, [&](const Reply& reply) {
        if (++rules <= most) {
            see_rule(reply, tables);
        }
    }));
    if (rules > most) {
        return std::unexpected(Error{
            .code = E2BIG,
            .message = fmt::format("there are {} rules, and at most {} are judged in passing", rules, most)});
    }
    std::ranges::for_each(tables, [](auto& each) { want_sets(each.second); });
    PARTD_TRY(socket.dump(
        make_request(NFT_MSG_GETSET), [] {}, [&](const Reply& reply) { see_set(reply, tables); }));
    for (auto& [key, table] : tables) {
        for (auto& [name, set] : table.sets) {
            PARTD_TRY(read_elements(socket, table, name, set));
        }
    }
    return {};
}

}  // namespace

bool filters_forwarded(const ForeignChain& chain) {
    return chain.base && chain.hook == NF_INET_FORWARD && chain.type == "filter";
}

bool translates_destinations(const ForeignChain& chain) {
    return chain.base && chain.hook == NF_INET_PRE_ROUTING && chain.type == "nat";
}

Result<std::vector<ForeignTable>> foreign_tables(const std::string& own, std::size_t most) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    PARTD_TRY(socket);
    Tables tables;
    if (auto read = read_all(*socket, own, most, tables); !read) {
        return std::unexpected(std::move(read).error().wrap("read the nftables of others"));
    }
    std::vector<ForeignTable> all;
    for (auto& [key, table] : tables) {
        all.push_back(std::move(table));
    }
    return all;
}

Result<ForeignTables::Listed> ForeignTables::list(const std::string& own) {
    constexpr std::size_t kMostRules = 20'000;
    // Asked first: a change during the reading is seen the next time.
    const auto generation = ask_generation();
    PARTD_TRY(generation);
    if (!remembered_ || remembered_->generation != *generation) {
        remembered_.emplace(Remembered{.generation = *generation});
        auto tables = foreign_tables(own, kMostRules);
        if (tables) {
            remembered_->tables = std::make_shared<const std::vector<ForeignTable>>(std::move(*tables));
        } else {
            remembered_->tables = std::unexpected(std::move(tables).error());
        }
    }
    return remembered_->tables;
}

}  // namespace partd::kernel::nft
