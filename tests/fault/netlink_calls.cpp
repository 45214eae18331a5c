// SPDX-License-Identifier: Apache-2.0
// Netlink messages in the memory of another process: which change something, spoilt, and their answers.

#include "calls.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace partd::fault {
namespace {

constexpr std::uint16_t kUnknownToRoute = 0x7ff0;
constexpr std::uint16_t kUnknownToNetfilter = 0x00fe;
constexpr unsigned kSubsystemShift = 8;

struct Piece {
    std::uint64_t address = 0;
    std::size_t size = 0;
};

template <typename Value>
Value value_at(pid_t process, std::uint64_t address) {
    Value value{};
    const std::string bytes = read_memory(process, address, sizeof value);
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    return value;
}

/// -1 when it is not a netlink socket.
int netlink_protocol(pid_t process, int descriptor) {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
    const int fd = static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, descriptor, 0));
    int domain = -1;
    int protocol = -1;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK) {
        ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    }
    ::close(fd);
    ::close(pidfd);
    return protocol;
}

void add_pieces(pid_t process, const msghdr& header, std::vector<Piece>& pieces) {
    constexpr std::size_t kMost = 1024;
    for (std::size_t i = 0; i < std::min(header.msg_iovlen, kMost); ++i) {
        const auto part =
            value_at<iovec>(process, reinterpret_cast<std::uint64_t>(header.msg_iov) + i * sizeof(iovec));
        pieces.push_back({reinterpret_cast<std::uint64_t>(part.iov_base), part.iov_len});
    }
}

/// Where the data of a sending or receiving call lies.
std::vector<Piece> pieces_of(const Entry& entry, std::size_t messages) {
    std::vector<Piece> pieces;
    if (entry.number == SYS_sendto || entry.number == SYS_recvfrom) {
        pieces.push_back({entry.args[1], entry.args[2]});
    } else if (entry.number == SYS_sendmsg || entry.number == SYS_recvmsg) {
        add_pieces(entry.pid, value_at<msghdr>(entry.pid, entry.args[1]), pieces);
    } else if (entry.number == SYS_sendmmsg || entry.number == SYS_recvmmsg) {
        for (std::size_t i = 0; i < messages; ++i) {
            const auto one = value_at<mmsghdr>(entry.pid, entry.args[1] + i * sizeof(mmsghdr));
            add_pieces(entry.pid, one.msg_hdr, pieces);
        }
    }
    return pieces;
}

const char* route_name(std::uint16_t type) {
    static const std::map<std::uint16_t, const char*> kNames = {
        {RTM_NEWLINK, "newlink"},   {RTM_DELLINK, "dellink"},         {RTM_SETLINK, "setlink"},
        {RTM_NEWADDR, "newaddr"},   {RTM_DELADDR, "deladdr"},         {RTM_NEWROUTE, "newroute"},
        {RTM_DELROUTE, "delroute"}, {RTM_NEWRULE, "newrule"},         {RTM_DELRULE, "delrule"},
        {RTM_NEWNSID, "newnsid"},   {RTM_NEWLINKPROP, "newlinkprop"}, {RTM_DELLINKPROP, "dellinkprop"},
    };
    const auto found = kNames.find(type);
    return found == kNames.end() ? "route message" : found->second;
}

/// Empty for one that only asks.
std::string changing_name(int protocol, std::uint16_t type) {
    constexpr unsigned kGet = 2;
    constexpr unsigned kKinds = 4;
    if (protocol == NETLINK_ROUTE) {
        return type < RTM_BASE || (type - RTM_BASE) % kKinds == kGet ? "" : route_name(type);
    }
    const unsigned subsystem = type >> kSubsystemShift;
    const unsigned message = type & 0xffU;
    if (protocol != NETLINK_NETFILTER || type < NLMSG_MIN_TYPE || subsystem == 0) {
        return {};
    }
    if (subsystem == NFNL_SUBSYS_NFTABLES) {
        static constexpr std::array kObjects = {"table", "chain", "rule", "set", "elements", "generation"};
        const bool asks = message % 3 == 1;
        const auto* object = message / 3 < kObjects.size() ? kObjects[message / 3] : "object";
        return asks ? "" : std::string(message % 3 == 0 ? "nft new " : "nft del ") + object;
    }
    return message == 1 ? "" : "netfilter " + std::to_string(subsystem) + "." + std::to_string(message);
}

void set_type(pid_t process, const NetlinkMessage& message, std::uint16_t type) {
    write_memory(process, message.address + offsetof(nlmsghdr, nlmsg_type), &type, sizeof type);
}

}  // namespace

std::vector<NetlinkMessage> changing_messages(const Entry& entry) {
    const int protocol = netlink_protocol(entry.pid, static_cast<int>(entry.args[0]));
    std::vector<NetlinkMessage> messages;
    if (protocol < 0) {
        return messages;
    }
    for (const Piece& piece : pieces_of(entry, entry.args[2])) {
        for (std::size_t at = 0; at + sizeof(nlmsghdr) <= piece.size;) {
            const auto header = value_at<nlmsghdr>(entry.pid, piece.address + at);
            if (header.nlmsg_len < sizeof header) {
                break;
            }
            if (auto name = changing_name(protocol, header.nlmsg_type); !name.empty()) {
                messages.push_back(
                    {std::move(name), piece.address + at, header.nlmsg_type, header.nlmsg_seq});
            }
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
    return messages;
}

bool is_netlink(const Entry& entry) {
    return netlink_protocol(entry.pid, static_cast<int>(entry.args[0])) >= 0;
}

std::vector<int> refusals() {
    return {EPERM, ENOMEM, EBUSY, EEXIST};
}

void spoil(pid_t process, const NetlinkMessage& message) {
    const bool is_netfilter = message.name.starts_with("n") && (message.type >> kSubsystemShift) != 0 &&
                              (message.name.starts_with("nft") || message.name.starts_with("netfilter"));
    set_type(process, message,
             is_netfilter ? static_cast<std::uint16_t>((message.type & 0xff00U) | kUnknownToNetfilter)
                          : kUnknownToRoute);
}

void restore(pid_t process, const NetlinkMessage& message) {
    set_type(process, message, message.type);
}

bool rewrite_answer(const Entry& received, std::int64_t size, const NetlinkMessage& message, int error) {
    if (size <= 0 || netlink_protocol(received.pid, static_cast<int>(received.args[0])) < 0) {
        return false;
    }
    bool found = false;
    for (const Piece& piece : pieces_of(received, static_cast<std::size_t>(size))) {
        // Behind what was received may stand what was received before: its numbers are others.
        for (std::size_t at = 0; at + sizeof(nlmsghdr) + sizeof(nlmsgerr) <= piece.size;) {
            const auto header = value_at<nlmsghdr>(received.pid, piece.address + at);
            if (header.nlmsg_len < sizeof header) {
                break;
            }
            if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == message.sequence) {
                const int code = -error;
                write_memory(received.pid, piece.address + at + sizeof header, &code, sizeof code);
                found = true;
            }
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
    return found;
}

}  // namespace partd::fault
