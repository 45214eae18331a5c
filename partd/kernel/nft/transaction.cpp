// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/encode.h"
#include "kernel/nft/nftables.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <libnftnl/chain.h>
#include <libnftnl/table.h>

namespace partd::kernel::nft {

namespace {

using ChainPtr = std::unique_ptr<nftnl_chain, void (*)(const nftnl_chain*)>;

// A set that only names itself and holds one element.
SetPtr encode_element(const std::string& table, const Element& element, const std::string& comment) {
    SetPtr set(nftnl_set_alloc(), nftnl_set_free);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table.c_str());
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, element.set.c_str());
    nftnl_set_elem* encoded = nftnl_set_elem_alloc();
    nftnl_set_elem_set(encoded, NFTNL_SET_ELEM_KEY, element.key.data(),
                       static_cast<std::uint32_t>(element.key.size()));
    if (!comment.empty()) {
        if (!element.data.empty()) {
            nftnl_set_elem_set(encoded, NFTNL_SET_ELEM_DATA, element.data.data(),
                               static_cast<std::uint32_t>(element.data.size()));
        }
        const auto userdata = encode_comment(comment);
        nftnl_set_elem_set(encoded, NFTNL_SET_ELEM_USERDATA, userdata.data(),
                           static_cast<std::uint32_t>(userdata.size()));
    }
    nftnl_set_elem_add(set.get(), encoded);
    return set;
}

}  // namespace

void Transaction::add_table(std::size_t tag, const std::string& comment) {
    const auto table = encode_table(table_);
    const auto userdata = encode_comment(comment);
    nftnl_table_set_data(table.get(), NFTNL_TABLE_USERDATA, userdata.data(),
                         static_cast<std::uint32_t>(userdata.size()));
    steps_.push_back({tag, make_message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, [&](nlmsghdr* h) {
                          nftnl_table_nlmsg_build_payload(h, table.get());
                      })});
}

void Transaction::wake_table(std::size_t tag) {
    const auto table = encode_table(table_);
    nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, 0);
    steps_.push_back({tag, make_message(NFT_MSG_NEWTABLE, 0, [&](nlmsghdr* h) {
                          nftnl_table_nlmsg_build_payload(h, table.get());
                      })});
}

void Transaction::remove_table(std::size_t tag) {
    const auto table = encode_table(table_);
    steps_.push_back({tag, make_message(NFT_MSG_DELTABLE, 0, [&](nlmsghdr* h) {
                          nftnl_table_nlmsg_build_payload(h, table.get());
                      })});
}

void Transaction::add_chain(std::size_t tag, const Chain& chain) {
    const ChainPtr encoded(nftnl_chain_alloc(), nftnl_chain_free);
    nftnl_chain_set_str(encoded.get(), NFTNL_CHAIN_TABLE, table_.c_str());
    nftnl_chain_set_str(encoded.get(), NFTNL_CHAIN_NAME, chain.name.c_str());
    if (!chain.type.empty()) {
        nftnl_chain_set_str(encoded.get(), NFTNL_CHAIN_TYPE, chain.type.c_str());
        nftnl_chain_set_u32(encoded.get(), NFTNL_CHAIN_HOOKNUM, chain.hook);
        nftnl_chain_set_s32(encoded.get(), NFTNL_CHAIN_PRIO, chain.priority);
        nftnl_chain_set_u32(encoded.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
    }
    steps_.push_back({tag, make_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&](nlmsghdr* h) {
                          nftnl_chain_nlmsg_build_payload(h, encoded.get());
                      })});
}

void Transaction::remove_chain(std::size_t tag, const std::string& name) {
    const ChainPtr chain(nftnl_chain_alloc(), nftnl_chain_free);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, table_.c_str());
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, name.c_str());
    steps_.push_back({tag, make_message(NFT_MSG_DELCHAIN, 0, [&](nlmsghdr* h) {
                          nftnl_chain_nlmsg_build_payload(h, chain.get());
                      })});
}

void Transaction::add_set(std::size_t tag, const Set& set) {
    const auto encoded = encode_set(table_, set, static_cast<std::uint32_t>(steps_.size() + 1));
    steps_.push_back({tag, make_message(NFT_MSG_NEWSET, NLM_F_CREATE, [&](nlmsghdr* h) {
                          nftnl_set_nlmsg_build_payload(h, encoded.get());
                      })});
}

void Transaction::remove_set(std::size_t tag, const std::string& name) {
    const SetPtr set(nftnl_set_alloc(), nftnl_set_free);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table_.c_str());
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
    steps_.push_back({tag, make_message(NFT_MSG_DELSET, 0,
                                        [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, set.get()); })});
}

void Transaction::add_rule(std::size_t tag, const Rule& rule) {
    const auto encoded = encode_rule(table_, rule);
    steps_.push_back({tag, make_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&](nlmsghdr* h) {
                          nftnl_rule_nlmsg_build_payload(h, encoded.get());
                      })});
}

void Transaction::remove_rule(std::size_t tag, const std::string& chain, std::uint64_t handle) {
    const RulePtr rule(nftnl_rule_alloc(), nftnl_rule_free);
    nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, table_.c_str());
    nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, chain.c_str());
    nftnl_rule_set_u64(rule.get(), NFTNL_RULE_HANDLE, handle);
    steps_.push_back({tag, make_message(NFT_MSG_DELRULE, 0, [&](nlmsghdr* h) {
                          nftnl_rule_nlmsg_build_payload(h, rule.get());
                      })});
}

void Transaction::add_element(std::size_t tag, const Element& element, const std::string& comment) {
    const auto set = encode_element(table_, element, comment);
    steps_.push_back({tag, make_message(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, [&](nlmsghdr* h) {
                          nftnl_set_elems_nlmsg_build_payload(h, set.get());
                      })});
}

void Transaction::remove_element(std::size_t tag, const Element& element) {
    const auto set = encode_element(table_, element, "");
    auto message = make_message(NFT_MSG_DELSETELEM, 0,
                                [&](nlmsghdr* h) { nftnl_set_elems_nlmsg_build_payload(h, set.get()); });
    removals_.push_back({tag, std::move(message)});
}

bool Transaction::empty() const {
    return steps_.empty() && removals_.empty();
}

std::size_t Transaction::size() const {
    return steps_.size() + removals_.size();
}

std::size_t Transaction::first_tag() const {
    return removals_.empty() ? steps_.front().tag : removals_.front().tag;
}

void Transaction::drop(std::size_t tag) {
    const auto belongs = [&](const Request& step) { return step.tag == tag; };
    std::erase_if(steps_, belongs);
    std::erase_if(removals_, belongs);
}

}  // namespace partd::kernel::nft
