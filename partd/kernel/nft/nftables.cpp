// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/nftables.h"

#include "kernel/netlink/netlink.h"
#include "kernel/nft/encode.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/table.h>

namespace partd::kernel::nft {

void Nftables::CloseSocket::operator()(mnl_socket* socket) const {
    mnl_socket_close(socket);
}

Result<Nftables> Nftables::open() {
    Nftables opened(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
    if (!opened.socket_ || mnl_socket_bind(opened.socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
        return fail_errno("open a netlink socket for nftables");
    }
    const int on = 1;
    (void)mnl_socket_setsockopt(opened.socket_.get(), NETLINK_EXT_ACK, const_cast<int*>(&on), sizeof on);
    const int size = 64 << 20;
    for (const int option : {SO_SNDBUFFORCE, SO_RCVBUFFORCE}) {
        (void)setsockopt(mnl_socket_get_fd(opened.socket_.get()), SOL_SOCKET, option, &size, sizeof size);
    }
    return opened;
}

std::uint32_t Nftables::port() const {
    return mnl_socket_get_portid(socket_.get());
}

namespace {

// The batch's bytes, with the sequence numbers from `first` on. The kernel takes it only as the next change
// after that generation of the ruleset (ERESTART).
std::vector<std::uint8_t> make_batch(std::span<const std::span<const std::uint8_t>> messages,
                                     std::uint32_t first, std::uint32_t generation) {
    std::vector<std::uint8_t> batch;
    const auto append = [&](std::span<const std::uint8_t> message, std::uint32_t sequence) {
        const std::size_t at = batch.size();
        batch.insert(batch.end(), message.begin(), message.end());
        reinterpret_cast<nlmsghdr*>(batch.data() + at)->nlmsg_seq = sequence;
    };
    std::vector<std::uint8_t> border(MNL_SOCKET_BUFFER_SIZE);
    auto* buffer = reinterpret_cast<char*>(border.data());
    nlmsghdr* begin = nftnl_batch_begin(buffer, 0);
    mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htonl(generation));
    append(std::span(border).first(begin->nlmsg_len), first);
    std::uint32_t sequence = first;
    for (const auto message : messages) {
        append(message, ++sequence);
    }
    append(std::span(border).first(nftnl_batch_end(buffer, 0)->nlmsg_len), ++sequence);
    return batch;
}

Error error_of(const nlmsghdr* header) {
    const auto* body = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
    return {.code = -body->error, .message = errno_text(-body->error)};
}

}  // namespace

std::optional<Nftables::Refusal> Nftables::send(const Transaction& transaction, std::uint32_t generation) {
    std::vector<std::span<const std::uint8_t>> messages;
    std::vector<std::size_t> tags;
    for (const auto* steps : {&transaction.removals_, &transaction.steps_}) {
        for (const auto& step : *steps) {
            messages.emplace_back(step.message);
            tags.push_back(step.tag);
        }
    }
    const std::uint32_t first = sequence_;
    sequence_ += static_cast<std::uint32_t>(messages.size()) + 2;
    const auto batch = make_batch(messages, first, generation);
    if (mnl_socket_sendto(socket_.get(), batch.data(), batch.size()) < 0) {
        return Refusal{tags.front(), fail_errno("send to nftables").error()};
    }
    std::vector<char> answer(65536);
    std::optional<Refusal> refusal;
    while (true) {
        // nfnetlink works inside sendto: the errors are there, or there are none.
        const ssize_t size =
            recv(mnl_socket_get_fd(socket_.get()), answer.data(), answer.size(), MSG_DONTWAIT);
        if (size <= 0) {
            return refusal;
        }
        int left = static_cast<int>(size);
        for (auto* h = reinterpret_cast<const nlmsghdr*>(answer.data()); mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left)) {
            const std::size_t index = h->nlmsg_seq - first - 1;
            if (h->nlmsg_type != NLMSG_ERROR || error_of(h).code == 0 || refusal) {
                continue;
            }
            refusal = Refusal{tags[std::min(index, tags.size() - 1)], error_of(h)};
        }
    }
}

namespace {

// Takes what is left of an answer: as long as it is there the kernel begins no other dump (EBUSY).
void drain(mnl_socket* socket) {
    std::array<char, 65536> rest;
    ssize_t size = 0;
    do {
        size = recv(mnl_socket_get_fd(socket), rest.data(), rest.size(), MSG_DONTWAIT);
    } while (size > 0 || (size < 0 && (errno == EINTR || errno == ENOBUFS)));
}

Result<> receive_dump(mnl_socket* socket, std::uint32_t sequence,
                      const std::function<void(const nlmsghdr*)>& each) {
    std::vector<char> answer(65536);
    while (true) {
        const ssize_t size = mnl_socket_recvfrom(socket, answer.data(), answer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return fail_errno("hear from nftables");
        }
        int left = static_cast<int>(size);
        for (auto* h = reinterpret_cast<const nlmsghdr*>(answer.data()); mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left)) {
            if (h->nlmsg_seq != sequence) {
                continue;
            }
            if (h->nlmsg_type == NLMSG_DONE) {
                return {};
            }
            if (h->nlmsg_type == NLMSG_ERROR) {
                const Error error = error_of(h);
                return error.code == 0 || error.code == ENOENT ? Result<>() : std::unexpected(error);
            }
            if ((h->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
                return fail(EINTR, "read nftables");
            }
            each(h);
        }
    }
}

// Sends a request and hands over each message of the answer; ENOENT is an empty answer, EINTR a dump that the
// rules changed under.
Result<> ask(mnl_socket* socket, std::vector<std::uint8_t> request, std::uint32_t sequence,
             const std::function<void(const nlmsghdr*)>& each) {
    reinterpret_cast<nlmsghdr*>(request.data())->nlmsg_seq = sequence;
    if (mnl_socket_sendto(socket, request.data(), request.size()) < 0) {
        return fail_errno("ask nftables");
    }
    auto received = receive_dump(socket, sequence, each);
    if (!received) {
        drain(socket);
    }
    return received;
}

std::string text_or_empty(const char* text) {
    return text == nullptr ? "" : text;
}

std::uint64_t read_handle(const nlmsghdr* h) {
    const auto table = encode_table("");
    return nftnl_table_nlmsg_parse(h, table.get()) == 0 ? nftnl_table_get_u64(table.get(), NFTNL_TABLE_HANDLE)
                                                        : 0;
}

void read_table(const nlmsghdr* h, const std::string& name, std::optional<TableView>& view) {
    const auto table = encode_table("");
    if (nftnl_table_nlmsg_parse(h, table.get()) != 0 ||
        text_or_empty(nftnl_table_get_str(table.get(), NFTNL_TABLE_NAME)) != name) {
        return;
    }
    std::uint32_t size = 0;
    const void* userdata = nftnl_table_get_data(table.get(), NFTNL_TABLE_USERDATA, &size);
    view.emplace();
    view->comment = decode_comment(userdata, size);
    view->dormant = (nftnl_table_get_u32(table.get(), NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT) != 0;
}

using ChainPtr = std::unique_ptr<nftnl_chain, void (*)(const nftnl_chain*)>;

void read_chain(const nlmsghdr* h, const std::string& table, TableView& view) {
    const ChainPtr chain(nftnl_chain_alloc(), nftnl_chain_free);
    if (nftnl_chain_nlmsg_parse(h, chain.get()) == 0 &&
        text_or_empty(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE)) == table) {
        view.chains.insert(text_or_empty(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME)));
    }
}

void read_set(const nlmsghdr* h, const std::string& table, TableView& view) {
    const SetPtr set(nftnl_set_alloc(), nftnl_set_free);
    if (nftnl_set_nlmsg_parse(h, set.get()) == 0 &&
        text_or_empty(nftnl_set_get_str(set.get(), NFTNL_SET_TABLE)) == table) {
        view.sets.insert(text_or_empty(nftnl_set_get_str(set.get(), NFTNL_SET_NAME)));
    }
}

void read_rule(const nlmsghdr* h, const std::string& table, TableView& view) {
    const RulePtr rule(nftnl_rule_alloc(), nftnl_rule_free);
    if (nftnl_rule_nlmsg_parse(h, rule.get()) != 0 ||
        text_or_empty(nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE)) != table) {
        return;
    }
    std::uint32_t size = 0;
    const void* userdata = nftnl_rule_get_data(rule.get(), NFTNL_RULE_USERDATA, &size);
    view.rules.push_back({text_or_empty(nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN)),
                          decode_comment(userdata, size), nftnl_rule_get_u64(rule.get(), NFTNL_RULE_HANDLE)});
}

std::vector<std::uint8_t> copy_of(const nftnl_set_elem* element, std::uint16_t attribute) {
    std::uint32_t size = 0;
    auto* set_element = const_cast<nftnl_set_elem*>(element);
    const auto* data =
        nftnl_set_elem_is_set(element, attribute)
            ? static_cast<const std::uint8_t*>(nftnl_set_elem_get(set_element, attribute, &size))
            : nullptr;
    return data == nullptr ? std::vector<std::uint8_t>() : std::vector<std::uint8_t>(data, data + size);
}

std::uint64_t packets_of(const nftnl_set_elem* element) {
    std::uint64_t packets = 0;
    const auto count = [](nftnl_expr* e, void* sum) {
        if (text_or_empty(nftnl_expr_get_str(e, NFTNL_EXPR_NAME)) == "counter") {
            *static_cast<std::uint64_t*>(sum) += nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
        }
        return 0;
    };
    nftnl_set_elem_expr_foreach(const_cast<nftnl_set_elem*>(element), count, &packets);
    return packets;
}

void read_elements(const nlmsghdr* h, const std::string& name, const Nftables::Keep& keep,
                   std::vector<StoredElement>& found) {
    const SetPtr set(nftnl_set_alloc(), nftnl_set_free);
    if (nftnl_set_elems_nlmsg_parse(h, set.get()) != 0) {
        return;
    }
    nftnl_set_elems_iter* elements = nftnl_set_elems_iter_create(set.get());
    for (const auto* e = nftnl_set_elems_iter_next(elements); e != nullptr;
         e = nftnl_set_elems_iter_next(elements)) {
        const auto userdata = copy_of(e, NFTNL_SET_ELEM_USERDATA);
        std::string comment = decode_comment(userdata.data(), static_cast<std::uint32_t>(userdata.size()));
        if (keep && !keep(comment)) {
            continue;
        }
        found.push_back({.element = {.set = name,
                                     .key = copy_of(e, NFTNL_SET_ELEM_KEY),
                                     .data = copy_of(e, NFTNL_SET_ELEM_DATA)},
                         .comment = std::move(comment),
                         .packets = packets_of(e)});
    }
    nftnl_set_elems_iter_destroy(elements);
}

constexpr int kMostTries = 20;

}  // namespace

Result<std::uint32_t> Nftables::generation() {
    std::optional<std::uint32_t> found;
    auto request = make_message(NFT_MSG_GETGEN, NLM_F_ACK, [](nlmsghdr*) {});
    PARTD_TRY(ask(socket_.get(), std::move(request), sequence_++, [&](const nlmsghdr* h) {
        const std::span body(static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(h)),
                             mnl_nlmsg_get_payload_len(h));
        found = Reply{h->nlmsg_type, h->nlmsg_flags, body}.attributes<nfgenmsg>().number<std::uint32_t>(
            NFTA_GEN_ID);
    }));
    return found ? Result<std::uint32_t>(ntohl(*found)) : fail("nftables does not tell its generation");
}

Result<std::uint64_t> Nftables::handle_of(const std::string& table) {
    std::uint64_t found = 0;
    const auto name = encode_table(table);
    auto request = make_message(NFT_MSG_GETTABLE, NLM_F_ACK,
                                [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, name.get()); });
    PARTD_TRY(ask(socket_.get(), std::move(request), sequence_++,
                  [&](const nlmsghdr* h) { found = read_handle(h); }));
    return found;
}

std::optional<Nftables::Refusal> Nftables::commit(const Transaction& transaction) {
    for (int attempt = 0;; ++attempt) {
        const auto before = generation();
        const auto now = before ? handle_of(transaction.table_) : std::unexpected(before.error());
        if (!now) {
            return Refusal{transaction.first_tag(), now.error()};
        }
        if (*now != seen_) {
            return Refusal{transaction.first_tag(),
                           fail(ENOENT, "the nftables table changed meanwhile").error()};
        }
        auto refusal = send(transaction, *before);
        const bool overtaken = refusal && refusal->error.code == ERESTART;
        if (overtaken && attempt < kMostTries) {
            continue;
        }
        if (!refusal) {
            // It may be new, or gone. Where others changed something meanwhile, another look has to tell.
            const auto after = handle_of(transaction.table_);
            const auto last = generation();
            const bool alone = last && *last == *before + 1;
            seen_ = after && (alone || *after == seen_) ? *after : 0;
        }
        return refusal;
    }
}

Result<std::optional<TableView>> Nftables::look(const std::string& name) {
    for (int attempt = 0;; ++attempt) {
        std::optional<TableView> view;
        const auto ask_for = [&](std::uint16_t type, const std::function<void(const nlmsghdr*)>& each) {
            return ask(socket_.get(), make_message(type, NLM_F_DUMP, [](nlmsghdr*) {}), sequence_++, each);
        };
        seen_ = 0;
        auto done = ask_for(NFT_MSG_GETTABLE, [&](const nlmsghdr* h) {
            if (!view) {
                read_table(h, name, view);
                seen_ = view ? read_handle(h) : 0;
            }
        });
        if (done && view) {
            done = ask_for(NFT_MSG_GETCHAIN, [&](const nlmsghdr* h) { read_chain(h, name, *view); });
        }
        if (done && view) {
            done = ask_for(NFT_MSG_GETSET, [&](const nlmsghdr* h) { read_set(h, name, *view); });
        }
        if (done && view) {
            done = ask_for(NFT_MSG_GETRULE, [&](const nlmsghdr* h) { read_rule(h, name, *view); });
        }
        if (done) {
            return view;
        }
        if (done.error().code != EINTR || attempt == kMostTries) {
            return std::unexpected(done.error());
        }
    }
}

Result<std::vector<StoredElement>> Nftables::elements(const std::string& table, const std::string& name,
                                                      const Keep& keep) {
    for (int attempt = 0;; ++attempt) {
        std::vector<StoredElement> found;
        const SetPtr set(nftnl_set_alloc(), nftnl_set_free);
        nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table.c_str());
        nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
        auto request = make_message(NFT_MSG_GETSETELEM, NLM_F_DUMP,
                                    [&](nlmsghdr* h) { nftnl_set_elems_nlmsg_build_payload(h, set.get()); });
        auto done = ask(socket_.get(), std::move(request), sequence_++,
                        [&](const nlmsghdr* h) { read_elements(h, name, keep, found); });
        if (done) {
            return found;
        }
        if (done.error().code != EINTR || attempt == kMostTries) {
            return std::unexpected(done.error());
        }
    }
}

}  // namespace partd::kernel::nft
