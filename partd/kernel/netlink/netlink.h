// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// One netlink request under construction (netlink(7)). Attributes longer than their 16-bit length can say are
// refused when the message is sent, not truncated.
class Message {
public:
    // `flags` besides NLM_F_REQUEST.
    Message(std::uint16_t type, std::uint16_t flags);

    // The fixed header behind nlmsghdr: ifinfomsg, ifaddrmsg, rtmsg, …
    template <class T>
        requires std::is_trivially_copyable_v<T>
    Message& head(const T& fixed) {
        append(&fixed, sizeof fixed);
        return *this;
    }
    Message& bytes(std::uint16_t type, std::span<const std::uint8_t> payload);
    template <class T>
        requires std::is_integral_v<T>
    Message& number(std::uint16_t type, T value) {
        std::array<std::uint8_t, sizeof value> raw;
        std::memcpy(raw.data(), &value, sizeof value);
        return bytes(type, raw);
    }
    Message& text(std::uint16_t type, std::string_view value);  // with its terminating NUL
    Message& ip(std::uint16_t type, const Ip& value) { return bytes(type, value.bytes()); }
    // Opens a nested attribute; the result goes to close().
    std::size_t open(std::uint16_t type);
    void close(std::size_t nest);

    [[nodiscard]] bool fits() const { return fits_; }
    [[nodiscard]] std::span<const std::uint8_t> data() const { return buffer_; }
    // Finishes the header.
    std::span<std::uint8_t> seal(std::uint32_t sequence);
    [[nodiscard]] std::uint16_t type() const;

private:
    void append(const void* data, std::size_t size);

    std::vector<std::uint8_t> buffer_;
    bool fits_ = true;
};

// The attributes of one message or nest, by type. Malformed ones end the list; spans point into the message.
class Attributes {
public:
    explicit Attributes(std::span<const std::uint8_t> data);

    [[nodiscard]] bool has(std::uint16_t type) const {
        return type < kMost && found_[type].data() != nullptr;
    }
    [[nodiscard]] std::span<const std::uint8_t> bytes(std::uint16_t type) const;
    [[nodiscard]] Attributes nested(std::uint16_t type) const { return Attributes(bytes(type)); }
    [[nodiscard]] std::string text(std::uint16_t type) const;  // up to its NUL; "" when absent
    [[nodiscard]] std::optional<Ip> ip(std::uint16_t type) const;
    template <class T>
    [[nodiscard]] std::optional<T> number(std::uint16_t type) const {
        T value;
        const auto raw = bytes(type);
        if (raw.size() < sizeof value) {
            return std::nullopt;
        }
        std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }

private:
    static constexpr std::size_t kMost = 80;
    std::array<std::span<const std::uint8_t>, kMost> found_{};
};

// The payloads of a list's attributes in their order: of one type, or of all. Malformed ones end it.
std::vector<std::span<const std::uint8_t>> elements_of(std::span<const std::uint8_t> list,
                                                       std::optional<std::uint16_t> type = {});

// One received message: its type and what follows nlmsghdr.
struct Reply {
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::span<const std::uint8_t> body;

    template <class T>
    [[nodiscard]] T head() const {
        T fixed{};
        if (!body.empty()) {
            std::memcpy(&fixed, body.data(), std::min(sizeof fixed, body.size()));
        }
        return fixed;
    }
    template <class T>
    [[nodiscard]] Attributes attributes() const {
        return Attributes(body.size() < NLMSG_ALIGN(sizeof(T)) ? body.first(0)
                                                               : body.subspan(NLMSG_ALIGN(sizeof(T))));
    }
};

// A reply that outlives the receive buffer.
struct StoredReply {
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::vector<std::uint8_t> body;

    [[nodiscard]] Reply view() const { return {type, flags, body}; }
};

// Takes the first message off a datagram, with its sequence number; nullopt at its end.
std::optional<Reply> next_message(std::span<const std::uint8_t>& datagram, std::uint32_t& sequence);

// A netlink socket. It stays in the network namespace where it was opened.
class NetlinkSocket {
public:
    // NETLINK_ROUTE or NETLINK_NETFILTER, in the calling thread's network namespace, with extended
    // acknowledgements and strict checking.
    static Result<NetlinkSocket> open(int protocol);

    // Sends a dump request and hands every reply to `each`; starts again from the beginning, after calling
    // `restart`, when the kernel says that the dump was interrupted (NLM_F_DUMP_INTR).
    Result<> dump(Message request, const std::function<void()>& restart,
                  const std::function<void(const Reply&)>& each);
    // As dump(), but returns all replies at the end; each keeps its own copy of the body.
    Result<std::vector<StoredReply>> collect(Message request);
    // Sends one request without a dump and hands over the reply to `each`, if there is one. ENOENT and the
    // like are errors.
    Result<> request(Message request, const std::function<void(const Reply&)>& each);
    // Sends all, many with one system call, hands the reply to each to `each` with its place among them, and
    // returns for each what the kernel refused. For requests without a dump, whose replies are small.
    std::vector<std::optional<Error>> ask(std::span<Message> messages,
                                          const std::function<void(std::size_t, const Reply&)>& each);
    // Sends all, many with one system call, and returns for each what the kernel refused. Only for protocols
    // that work inside sendmsg (rtnetlink).
    std::vector<std::optional<Error>> send(std::span<Message> messages);

    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    explicit NetlinkSocket(Fd fd) : fd_(std::move(fd)) {}
    Result<> dump_once(Message& request, const std::function<void(const Reply&)>& each);
    Result<> transmit(std::span<const std::uint8_t> data);
    Result<std::span<const std::uint8_t>> receive(int flags);
    Result<> ask_lot(std::span<Message> messages, std::span<std::optional<Error>> errors,
                     const std::function<void(std::size_t, const Reply&)>& each);
    void collect_errors(std::uint32_t first, std::span<std::optional<Error>> errors);

    Fd fd_;
    std::uint32_t sequence_ = 0;
};

// Decodes an NLMSG_ERROR: the errno and the kernel's own words (extack); nullopt for an acknowledgement.
std::optional<Error> parse_error(const Reply& reply);

}  // namespace partd::kernel
