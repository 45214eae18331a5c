// SPDX-License-Identifier: Apache-2.0
#include "message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace bench {

void fail(const char* what, int error) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(error));
    _exit(1);
}

void require(bool done, const char* what) {
    if (!done) {
        fail(what, errno);
    }
}

Messages& Messages::raw(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
    pad();
    return *this;
}

void Messages::pad() {
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
}

Messages& Messages::begin(std::uint16_t type, std::uint16_t flags) {
    start_ = bytes_.size();
    return head(nlmsghdr{.nlmsg_len = 0,
                         .nlmsg_type = type,
                         .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags),
                         .nlmsg_seq = 0,
                         .nlmsg_pid = 0});
}

Messages& Messages::end() {
    const auto length = static_cast<std::uint32_t>(bytes_.size() - start_);
    std::memcpy(bytes_.data() + start_, &length, sizeof length);
    return *this;
}

Messages& Messages::attribute(std::uint16_t type, std::span<const std::uint8_t> value) {
    const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + value.size()),
                        .nla_type = type};
    raw(&header, sizeof header);
    return raw(value.data(), value.size());
}

Messages& Messages::text(std::uint16_t type, std::string_view text) {
    const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + text.size() + 1),
                        .nla_type = type};
    raw(&header, sizeof header);
    const auto* first = reinterpret_cast<const std::uint8_t*>(text.data());
    bytes_.insert(bytes_.end(), first, first + text.size());
    bytes_.push_back(0);
    pad();
    return *this;
}

Messages& Messages::big(std::uint16_t type, std::uint32_t value) {
    return number(type, htonl(value));
}

Messages& Messages::open(std::uint16_t type, bool flagged) {
    nests_.push_back(bytes_.size());
    return head(
        nlattr{.nla_len = 0, .nla_type = static_cast<std::uint16_t>(flagged ? type | NLA_F_NESTED : type)});
}

Messages& Messages::close() {
    const auto length = static_cast<std::uint16_t>(bytes_.size() - nests_.back());
    std::memcpy(bytes_.data() + nests_.back(), &length, sizeof length);
    nests_.pop_back();
    return *this;
}

Socket::Socket(int protocol) : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
    require(fd_ >= 0, "netlink socket");
    const int on = 1;
    ::setsockopt(fd_, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    ::setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
}

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Socket::~Socket() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void Socket::room(int bytes) const {
    require(::setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) == 0, "SO_SNDBUFFORCE");
}

void Socket::send(Messages& messages, const char* what) {
    if (messages.size() == 0) {
        return;
    }
    const sockaddr_nl kernel{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
    require(
        ::sendto(fd_, messages.bytes().data(), messages.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof kernel) == static_cast<ssize_t>(messages.size()),
        what);
    messages.clear();
    // Requests are carried out inside sendto: a refusal is there already.
    alignas(nlmsghdr) std::array<std::uint8_t, 8192> answer = {};
    const ssize_t got = ::recv(fd_, answer.data(), answer.size(), MSG_DONTWAIT);
    if (got >= static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) {
        const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
        if (header->nlmsg_type == NLMSG_ERROR) {
            fail(what, -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error);
        }
    }
}

std::size_t Socket::dump(std::uint16_t type, std::span<const std::uint8_t> header, Messages* attributes) {
    Messages request;
    request.begin(type, NLM_F_DUMP);
    std::vector<std::uint8_t> bytes(request.bytes().begin(), request.bytes().end());
    bytes.insert(bytes.end(), header.begin(), header.end());
    if (attributes != nullptr) {
        bytes.insert(bytes.end(), attributes->bytes().begin(), attributes->bytes().end());
    }
    const auto length = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(bytes.data(), &length, sizeof length);
    require(::send(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
            "ask for a dump");
    alignas(nlmsghdr) static thread_local std::array<std::uint8_t, 65536> buffer;
    std::size_t total = 0;
    while (true) {
        const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
        require(got > 0, "read a dump");
        total += static_cast<std::size_t>(got);
        auto left = static_cast<std::uint32_t>(got);
        for (const auto* h = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_ERROR) {
                fail("dump", -static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error);
            }
            if (h->nlmsg_type == NLMSG_DONE) {
                return total;
            }
        }
    }
}

}  // namespace bench
