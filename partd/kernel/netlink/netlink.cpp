// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/netlink.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

Message::Message(std::uint16_t type, std::uint16_t flags) {
    buffer_.reserve(256);
    const nlmsghdr header{.nlmsg_len = 0,
                          .nlmsg_type = type,
                          .nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST),
                          .nlmsg_seq = 0,
                          .nlmsg_pid = 0};
    append(&header, sizeof header);
}

void Message::append(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    buffer_.insert(buffer_.end(), bytes, bytes + size);
    buffer_.resize(NLMSG_ALIGN(buffer_.size()));
}

Message& Message::bytes(std::uint16_t type, std::span<const std::uint8_t> payload) {
    const std::size_t length = NLA_HDRLEN + payload.size();
    if (length > 0xffff) {
        fits_ = false;
        return *this;
    }
    const nlattr header{.nla_len = static_cast<std::uint16_t>(length), .nla_type = type};
    append(&header, sizeof header);
    append(payload.data(), payload.size());
    return *this;
}

Message& Message::text(std::uint16_t type, std::string_view value) {
    std::vector<std::uint8_t> raw(value.begin(), value.end());
    raw.push_back(0);
    return bytes(type, raw);
}

std::size_t Message::open(std::uint16_t type) {
    const std::size_t at = buffer_.size();
    bytes(type | NLA_F_NESTED, {});
    return at;
}

void Message::close(std::size_t nest) {
    const std::size_t length = buffer_.size() - nest;
    if (length > 0xffff) {
        fits_ = false;
        return;
    }
    const auto short_length = static_cast<std::uint16_t>(length);
    std::memcpy(buffer_.data() + nest, &short_length, sizeof short_length);
}

std::span<std::uint8_t> Message::seal(std::uint32_t sequence) {
    const auto length = static_cast<std::uint32_t>(buffer_.size());
    std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    return buffer_;
}

std::uint16_t Message::type() const {
    nlmsghdr header{};
    std::memcpy(&header, buffer_.data(), sizeof header);
    return header.nlmsg_type;
}

namespace {

// Calls `each(type, payload)` for the attributes in their order.
template <class Each>
void for_attributes(std::span<const std::uint8_t> data, const Each& each) {
    while (data.size() >= sizeof(nlattr)) {
        nlattr header{};
        std::memcpy(&header, data.data(), sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > data.size()) {
            return;
        }
        each(static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
             data.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN));
        data = data.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), data.size()));
    }
}

}  // namespace

Attributes::Attributes(std::span<const std::uint8_t> data) {
    for_attributes(data, [&](std::uint16_t type, std::span<const std::uint8_t> payload) {
        if (type < kMost) {
            found_[type] = payload;
        }
    });
}

std::vector<std::span<const std::uint8_t>> elements_of(std::span<const std::uint8_t> list,
                                                       std::optional<std::uint16_t> type) {
    std::vector<std::span<const std::uint8_t>> all;
    for_attributes(list, [&](std::uint16_t found, std::span<const std::uint8_t> payload) {
        if (!type || found == *type) {
            all.push_back(payload);
        }
    });
    return all;
}

std::span<const std::uint8_t> Attributes::bytes(std::uint16_t type) const {
    return has(type) ? found_[type] : std::span<const std::uint8_t>();
}

std::string Attributes::text(std::uint16_t type) const {
    const auto raw = bytes(type);
    return {raw.begin(), std::ranges::find(raw, 0)};
}

std::optional<Ip> Attributes::ip(std::uint16_t type) const {
    const auto raw = bytes(type);
    return raw.size() == 4 || raw.size() == 16 ? std::optional(Ip(raw)) : std::nullopt;
}

namespace {

void enable(int fd, int option) {
    const int on = 1;
    // Options that a kernel lacks only make its answers less precise.
    (void)setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

}  // namespace

std::optional<Reply> next_message(std::span<const std::uint8_t>& datagram, std::uint32_t& sequence) {
    nlmsghdr header{};
    if (datagram.size() < sizeof header) {
        return std::nullopt;
    }
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) {
        return std::nullopt;
    }
    sequence = header.nlmsg_seq;
    const Reply reply{header.nlmsg_type, header.nlmsg_flags,
                      datagram.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN)};
    datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
    return reply;
}

std::optional<Error> parse_error(const Reply& reply) {
    const auto fixed = reply.head<nlmsgerr>();
    if (fixed.error == 0) {
        return std::nullopt;
    }
    // Behind the errno stands the request, whole or only its header, then the extack attributes.
    const bool capped = (reply.flags & NLM_F_CAPPED) != 0;
    const std::size_t request = capped ? sizeof(nlmsghdr) : NLMSG_ALIGN(fixed.msg.nlmsg_len);
    const std::size_t skipped = sizeof fixed.error + request;
    std::string words;
    if ((reply.flags & NLM_F_ACK_TLVS) != 0 && skipped <= reply.body.size()) {
        words = Attributes(reply.body.subspan(skipped)).text(NLMSGERR_ATTR_MSG);
    }
    const int code = -fixed.error;
    return Error{
        .code = code,
        .message = words.empty() ? errno_text(code) : fmt::format("{} ({})", errno_text(code), words)};
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd) {
        return fail_errno("open a netlink socket");
    }
    enable(fd.get(), NETLINK_EXT_ACK);
    enable(fd.get(), NETLINK_CAP_ACK);
    enable(fd.get(), NETLINK_GET_STRICT_CHK);
    const int size = 4 << 20;
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
        (void)setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    (void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return NetlinkSocket(std::move(fd));
}

Result<> NetlinkSocket::transmit(std::span<const std::uint8_t> data) {
    while (::send(fd_.get(), data.data(), data.size(), 0) < 0) {
        if (errno != EINTR) {
            return fail_errno("send a netlink request");
        }
    }
    return {};
}

Result<std::span<const std::uint8_t>> NetlinkSocket::receive(int flags) {
    // The kernel never puts more into one datagram of a dump than 32 KiB, nor more than a request's own size
    // into its answer.
    // All sockets share it: what is received is read before the next is.
    constexpr std::size_t kMost = std::size_t{256} << 10;
    thread_local std::vector<std::uint8_t> buffer(kMost);
    while (true) {
        const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), flags | MSG_TRUNC);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return fail_errno("receive from netlink");
        }
        if (static_cast<std::size_t>(size) > buffer.size()) {
            return fail(EMSGSIZE, "receive from netlink");
        }
        return std::span<const std::uint8_t>(buffer).first(static_cast<std::size_t>(size));
    }
}

Result<> NetlinkSocket::dump_once(Message& request, const std::function<void(const Reply&)>& each) {
    const std::uint32_t mine = ++sequence_;
    PARTD_TRY(transmit(request.seal(mine)));
    bool interrupted = false;
    while (true) {
        auto datagram = receive(0);
        if (!datagram) {
            // As long as the rest is there the kernel begins no other dump (EBUSY).
            while (auto rest = receive(MSG_DONTWAIT)) {
            }
            return std::unexpected(std::move(datagram).error());
        }
        std::uint32_t sequence = 0;
        while (const auto reply = next_message(*datagram, sequence)) {
            if (sequence != mine) {
                continue;
            }
            interrupted |= (reply->flags & NLM_F_DUMP_INTR) != 0;
            if (reply->type == NLMSG_DONE) {
                // Its payload is the dump's own errno.
                const int code = -reply->head<int>();
                return interrupted ? fail(EINTR, "dump")
                       : code > 0  ? Result<>(fail(code, "dump"))
                                   : Result<>();
            }
            if (reply->type == NLMSG_ERROR) {
                const auto error = parse_error(*reply);
                return error ? Result<>(std::unexpected(*error)) : Result<>();
            }
            each(*reply);
        }
    }
}

Result<> NetlinkSocket::dump(Message request, const std::function<void()>& restart,
                             const std::function<void(const Reply&)>& each) {
    constexpr int kMostTries = 20;
    for (int attempt = 0;; ++attempt) {
        auto done = dump_once(request, each);
        if (done || done.error().code != EINTR || attempt == kMostTries) {
            return done;
        }
        restart();
    }
}

Result<std::vector<StoredReply>> NetlinkSocket::collect(Message request) {
    std::vector<StoredReply> all;
    auto done = dump(
        std::move(request), [&] { all.clear(); },
        [&](const Reply& reply) {
            all.push_back({reply.type, reply.flags, {reply.body.begin(), reply.body.end()}});
        });
    PARTD_TRY(done);
    return all;
}

// An acknowledgement ends the answer, with or without a reply before it.
static std::span<const std::uint8_t> seal_for_answer(Message& request, std::uint32_t sequence) {
    auto sealed = request.seal(sequence);
    nlmsghdr header{};
    std::memcpy(&header, sealed.data(), sizeof header);
    header.nlmsg_flags |= NLM_F_ACK;
    std::memcpy(sealed.data(), &header, sizeof header);
    return sealed;
}

Result<> NetlinkSocket::request(Message request, const std::function<void(const Reply&)>& each) {
    const std::uint32_t mine = ++sequence_;
    PARTD_TRY(transmit(seal_for_answer(request, mine)));
    while (true) {
        auto datagram = receive(0);
        PARTD_TRY(datagram);
        std::uint32_t sequence = 0;
        while (const auto reply = next_message(*datagram, sequence)) {
            if (sequence != mine) {
                continue;
            }
            if (reply->type == NLMSG_ERROR) {
                const auto error = parse_error(*reply);
                return error ? Result<>(std::unexpected(*error)) : Result<>();
            }
            each(*reply);
        }
    }
}

Result<> NetlinkSocket::ask_lot(std::span<Message> messages, std::span<std::optional<Error>> errors,
                                const std::function<void(std::size_t, const Reply&)>& each) {
    std::vector<std::uint8_t> lot;
    const std::uint32_t first = sequence_ + 1;
    for (Message& message : messages) {
        const auto sealed = seal_for_answer(message, ++sequence_);
        lot.insert(lot.end(), sealed.begin(), sealed.end());
    }
    PARTD_TRY(transmit(lot));
    for (std::size_t open = messages.size(); open > 0;) {
        auto datagram = receive(0);
        PARTD_TRY(datagram);
        std::uint32_t sequence = 0;
        while (const auto reply = next_message(*datagram, sequence)) {
            const std::size_t index = sequence - first;
            if (index >= messages.size()) {
                continue;
            }
            if (reply->type == NLMSG_ERROR) {
                errors[index] = parse_error(*reply);
                --open;
            } else {
                each(index, *reply);
            }
        }
    }
    return {};
}

std::vector<std::optional<Error>> NetlinkSocket::ask(
    std::span<Message> messages, const std::function<void(std::size_t, const Reply&)>& each) {
    constexpr std::size_t kMostMessages = 128;  // whose replies fit the receive buffer
    std::vector<std::optional<Error>> errors(messages.size());
    for (std::size_t begin = 0; begin < messages.size(); begin += kMostMessages) {
        const std::size_t count = std::min(kMostMessages, messages.size() - begin);
        const auto told = std::span(errors).subspan(begin, count);
        const auto done = ask_lot(messages.subspan(begin, count), told,
                                  [&](std::size_t index, const Reply& reply) { each(begin + index, reply); });
        if (!done) {
            std::ranges::fill(told, done.error());
        }
    }
    return errors;
}

void NetlinkSocket::collect_errors(std::uint32_t first, std::span<std::optional<Error>> errors) {
    while (auto datagram = receive(MSG_DONTWAIT)) {
        std::uint32_t sequence = 0;
        while (const auto reply = next_message(*datagram, sequence)) {
            const std::size_t index = sequence - first;
            if (reply->type == NLMSG_ERROR && index < errors.size()) {
                errors[index] = parse_error(*reply);
            }
        }
    }
}

std::vector<std::optional<Error>> NetlinkSocket::send(std::span<Message> messages) {
    // Far below the send buffer, and few enough that the errors of all fit the receive buffer.
    constexpr std::size_t kMostBytes = 128 << 10;
    constexpr std::size_t kMostMessages = 512;
    std::vector<std::optional<Error>> errors(messages.size());
    for (std::size_t begin = 0; begin < messages.size();) {
        std::vector<std::uint8_t> batch;
        const std::uint32_t first = sequence_ + 1;
        std::size_t end = begin;
        for (; end < messages.size() && end - begin < kMostMessages && batch.size() < kMostBytes; ++end) {
            const auto sealed = messages[end].seal(++sequence_);
            batch.insert(batch.end(), sealed.begin(), sealed.end());
            if (!messages[end].fits()) {
                errors[end] =
                    Error{.code = EMSGSIZE, .message = "the request is longer than netlink can carry"};
                batch.resize(batch.size() - sealed.size());
            }
        }
        if (auto sent = transmit(batch); !sent) {
            std::fill(errors.begin() + static_cast<std::ptrdiff_t>(begin),
                      errors.begin() + static_cast<std::ptrdiff_t>(end), sent.error());
        }
        collect_errors(first, std::span(errors).subspan(begin, end - begin));
        begin = end;
    }
    return errors;
}

}  // namespace partd::kernel
