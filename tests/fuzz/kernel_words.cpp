// SPDX-License-Identifier: Apache-2.0
#include "kernel_words.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

namespace partd::fuzz {
namespace {

using Datagram = std::vector<std::uint8_t>;

struct Kernel {
    bool events = false;
    std::deque<Datagram> prepared;
    std::deque<Datagram> waiting;
};

Kernel& kernel() {
    static Kernel one;
    return one;
}

/// An acknowledgement of that request.
Datagram acknowledgement(std::uint32_t sequence) {
    struct {
        nlmsghdr header;
        nlmsgerr error;
    } message{};
    message.header = {.nlmsg_len = sizeof message,
                      .nlmsg_type = NLMSG_ERROR,
                      .nlmsg_flags = 0,
                      .nlmsg_seq = sequence,
                      .nlmsg_pid = 0};
    Datagram bytes(sizeof message);
    std::memcpy(bytes.data(), &message, sizeof message);
    return bytes;
}

void set_sequence(Datagram& datagram, std::uint32_t sequence) {
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= datagram.size();) {
        nlmsghdr header{};
        std::memcpy(&header, datagram.data() + at, sizeof header);
        header.nlmsg_seq = sequence;
        std::memcpy(datagram.data() + at, &header, sizeof header);
        at += std::max<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), sizeof header);
    }
}

/// A request, or many in one go: the last one's number is that of the answer.
ssize_t take_request(const void* data, std::size_t size) {
    nlmsghdr header{};
    if (size >= sizeof header) {
        std::memcpy(&header, data, sizeof header);
    }
    Kernel& one = kernel();
    if (!one.prepared.empty()) {
        set_sequence(one.prepared.front(), header.nlmsg_seq);
        one.waiting.push_back(std::move(one.prepared.front()));
        one.prepared.pop_front();
    }
    one.waiting.push_back(acknowledgement(header.nlmsg_seq));
    return static_cast<ssize_t>(size);
}

ssize_t give(void* data, std::size_t size, int flags) {
    Kernel& one = kernel();
    if (one.waiting.empty()) {
        errno = EAGAIN;
        return -1;
    }
    const Datagram datagram = std::move(one.waiting.front());
    one.waiting.pop_front();
    std::copy_n(datagram.begin(), std::min(size, datagram.size()), static_cast<std::uint8_t*>(data));
    return static_cast<ssize_t>((flags & MSG_TRUNC) != 0 ? datagram.size() : std::min(size, datagram.size()));
}

}  // namespace

void answer_with(std::vector<Datagram> datagrams) {
    kernel().waiting.clear();
    kernel().prepared.assign(std::make_move_iterator(datagrams.begin()),
                             std::make_move_iterator(datagrams.end()));
}

void tell(std::vector<Datagram> datagrams) {
    kernel().prepared.clear();
    kernel().waiting.assign(std::make_move_iterator(datagrams.begin()),
                            std::make_move_iterator(datagrams.end()));
}

std::vector<Datagram> datagrams_of(std::span<const std::uint8_t> input) {
    std::vector<Datagram> all;
    while (input.size() >= 2) {
        const std::size_t length = std::min<std::size_t>(input[0] | input[1] << 8, input.size() - 2);
        const auto body = input.subspan(2, length);
        // the kernel never sends an empty one
        if (!body.empty()) {
            all.emplace_back(body.begin(), body.end());
        }
        input = input.subspan(2 + length);
    }
    return all;
}

}  // namespace partd::fuzz

// The C library's, for partd and libmnl alike.
extern "C" {

ssize_t send(int, const void* data, std::size_t size, int) {
    return partd::fuzz::take_request(data, size);
}
ssize_t sendto(int, const void* data, std::size_t size, int, const sockaddr*, socklen_t) {
    return partd::fuzz::take_request(data, size);
}
ssize_t recv(int, void* data, std::size_t size, int flags) {
    return partd::fuzz::give(data, size, flags);
}
ssize_t recvmsg(int, msghdr* message, int flags) {
    const auto size = partd::fuzz::give(message->msg_iov->iov_base, message->msg_iov->iov_len, flags);
    sockaddr_nl from{};
    from.nl_family = AF_NETLINK;
    if (message->msg_name != nullptr) {
        std::memcpy(message->msg_name, &from, std::min<std::size_t>(message->msg_namelen, sizeof from));
        message->msg_namelen = sizeof from;
    }
    message->msg_controllen = 0;
    message->msg_flags = 0;
    return size;
}
}
