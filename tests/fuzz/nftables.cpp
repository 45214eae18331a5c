// SPDX-License-Identifier: Apache-2.0
// Replies of nf_tables: tables, chains, sets, rules and elements of any content, and what is shown of them.
// libnftnl takes what the kernel says on trust (it ends the program or reads beyond a message that is
// malformed), so the messages are well formed, made by libnftnl itself; names, comments, keys, data and
// handles are the input's.

#include "fuzz.h"
#include "kernel/nft/encode.h"
#include "kernel_words.h"
#include "kinds/nat/layout.h"

#include <linux/netfilter/nf_tables.h>

#include <string>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>

using namespace partd;
using namespace partd::kernel;

namespace {

using Datagrams = std::vector<std::vector<std::uint8_t>>;
constexpr std::array kSets = {"inside",       "reach",     "masq4_24",    "back6_64", "snat4_16",
                              "fwd4_0",       "fwdto6_48", "snatout4_16", "other",    "masq4_200",
                              "reach4_8_p16", "inward_p0", "admit6_128"};

/// One of partd's names, or any other.
std::string name(fuzz::Bytes& bytes) {
    const unsigned which = bytes.byte();
    if (which < kSets.size()) {
        return kSets[which];
    }
    // nf_tables has names of at most 255 bytes; none has a NUL
    std::string any(fuzz::as_text(bytes.counted()));
    return which < 128 ? "partd" : any.substr(0, any.find('\0'));
}

std::vector<std::uint8_t> table(fuzz::Bytes& bytes) {
    const auto made = nft::encode_table(name(bytes));
    nftnl_table_set_u32(made.get(), NFTNL_TABLE_FLAGS, bytes.byte());
    const auto comment = bytes.counted();
    nftnl_table_set_data(made.get(), NFTNL_TABLE_USERDATA, comment.data(),
                         static_cast<std::uint32_t>(comment.size()));
    return nft::make_message(NFT_MSG_NEWTABLE, 0,
                             [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, made.get()); });
}

std::vector<std::uint8_t> chain(fuzz::Bytes& bytes) {
    const std::unique_ptr<nftnl_chain, void (*)(const nftnl_chain*)> made(nftnl_chain_alloc(),
                                                                          nftnl_chain_free);
    nftnl_chain_set_str(made.get(), NFTNL_CHAIN_TABLE, name(bytes).c_str());
    nftnl_chain_set_str(made.get(), NFTNL_CHAIN_NAME, name(bytes).c_str());
    return nft::make_message(NFT_MSG_NEWCHAIN, 0,
                             [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, made.get()); });
}

std::vector<std::uint8_t> set(fuzz::Bytes& bytes) {
    const auto made = nft::encode_set(name(bytes), {.name = name(bytes), .key = {nft::Part::Ip4}, .data = {}},
                                      bytes.byte());
    return nft::make_message(NFT_MSG_NEWSET, 0,
                             [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, made.get()); });
}

std::vector<std::uint8_t> rule(fuzz::Bytes& bytes) {
    const std::string in = name(bytes);
    const auto made = nft::encode_rule(in, {.chain = name(bytes), .comment = "", .steps = {}});
    const auto comment = bytes.counted();
    nftnl_rule_set_data(made.get(), NFTNL_RULE_USERDATA, comment.data(),
                        static_cast<std::uint32_t>(comment.size()));
    nftnl_rule_set_u64(made.get(), NFTNL_RULE_HANDLE, bytes.byte());
    return nft::make_message(NFT_MSG_NEWRULE, 0,
                             [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, made.get()); });
}

/// Elements of a set of any type: what somebody else may have put under one of partd's names.
std::vector<std::uint8_t> elements(fuzz::Bytes& bytes) {
    const nft::SetPtr made(nftnl_set_alloc(), nftnl_set_free);
    nftnl_set_set_str(made.get(), NFTNL_SET_TABLE, "partd");
    nftnl_set_set_str(made.get(), NFTNL_SET_NAME, "any");
    for (unsigned left = bytes.byte() % 5; left > 0; --left) {
        constexpr std::size_t kMost = 64;  // NFT_DATA_VALUE_MAXLEN
        nftnl_set_elem* element = nftnl_set_elem_alloc();
        const auto put = [&](std::uint16_t what, std::span<const std::uint8_t> value) {
            if (!value.empty()) {
                nftnl_set_elem_set(element, what, value.data(), static_cast<std::uint32_t>(value.size()));
            }
        };
        put(NFTNL_SET_ELEM_KEY, bytes.take(bytes.byte() % (kMost + 1)));
        put(NFTNL_SET_ELEM_DATA, bytes.take(bytes.byte() % (kMost + 1)));
        put(NFTNL_SET_ELEM_USERDATA, bytes.counted());
        nftnl_set_elem_add(made.get(), element);
    }
    return nft::make_message(NFT_MSG_NEWSETELEM, 0,
                             [&](nlmsghdr* h) { nftnl_set_elems_nlmsg_build_payload(h, made.get()); });
}

/// Some of them, as one answer.
std::vector<std::uint8_t> several(fuzz::Bytes& bytes, std::vector<std::uint8_t> (*one)(fuzz::Bytes&)) {
    std::vector<std::uint8_t> all;
    for (unsigned left = bytes.byte() % 4; left > 0; --left) {
        const auto next = one(bytes);
        all.insert(all.end(), next.begin(), next.end());
    }
    return all;
}

void show(const std::vector<nft::StoredElement>& found, const char* name) {
    std::set<nft::Element> all;
    for (const auto& stored : found) {
        nft::Element element = stored.element;
        element.set = name;
        nat::element_text(element);
        nat::forward_of(element);
        all.insert(std::move(element));
    }
    nat::elements_text(all);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto nftables = nft::Nftables::open();
    fuzz::require(nftables.has_value(), "nftables can be asked");
    fuzz::Bytes bytes({data, size});
    Datagrams answers = {elements(bytes), several(bytes, table), several(bytes, chain), several(bytes, set),
                         several(bytes, rule)};
    fuzz::answer_with(answers);
    const auto found = nftables->elements("partd", "any");
    for (const char* name : kSets) {
        show(found ? *found : std::vector<nft::StoredElement>(), name);
    }
    const auto view = nftables->look("partd");
    fuzz::require(view.has_value(), "what is well formed can be read");
    return 0;
}
