// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include "message.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace bench {

namespace {

constexpr std::uint8_t kProtocol = 112;
constexpr std::uint16_t kIfaProto = 11;  // IFA_PROTO, younger than Debian 12's headers

// Attributes behind a family's header of that size.
template <class Take>
void attributes(const nlmsghdr* message, std::size_t header, const Take& take) {
    const auto* at = static_cast<const char*>(NLMSG_DATA(message)) + NLMSG_ALIGN(header);
    auto left = static_cast<int>(NLMSG_PAYLOAD(message, header));
    for (const auto* attribute = reinterpret_cast<const rtattr*>(at); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left)) {
        take(attribute->rta_type, RTA_DATA(attribute));
    }
}

Event link_event(const nlmsghdr* message) {
    const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
    Event event{.type = message->nlmsg_type, .up = (link->ifi_flags & IFF_UP) != 0};
    attributes(message, sizeof *link, [&](std::uint16_t type, const void* data) {
        if (type == IFLA_MTU) {
            std::memcpy(&event.mtu, data, sizeof event.mtu);
        } else if (type == IFLA_IFNAME) {
            event.name = static_cast<const char*>(data);
        }
    });
    return event;
}

Event address_event(const nlmsghdr* message) {
    const auto* address = static_cast<const ifaddrmsg*>(NLMSG_DATA(message));
    Event event{.type = message->nlmsg_type, .family = address->ifa_family};
    attributes(message, sizeof *address, [&](std::uint16_t type, const void* data) {
        event.ours |= type == kIfaProto && *static_cast<const std::uint8_t*>(data) == kProtocol;
    });
    return event;
}

Event event_of(const nlmsghdr* message) {
    switch (message->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return link_event(message);
        case RTM_NEWADDR:
            return address_event(message);
        case RTM_NEWROUTE: {
            const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(message));
            return {.type = RTM_NEWROUTE,
                    .family = route->rtm_family,
                    .ours = route->rtm_protocol == kProtocol && route->rtm_dst_len == 0};
        }
        default:
            return {.type = message->nlmsg_type};
    }
}

}  // namespace

bool read_events(int fd, std::int64_t patience, const std::function<void(const Event&)>& take) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (patience <= 0 || ::poll(&waiting, 1, static_cast<int>(patience / 1'000'000)) <= 0) {
        return false;
    }
    alignas(nlmsghdr) static std::array<char, 65536> buffer;
    alignas(cmsghdr) std::array<char, 256> control = {};
    iovec place{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr header = {};
    header.msg_iov = &place;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(fd, &header, 0);
    require(got > 0, "hear events");
    int nsid = -1;
    for (const cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
         c = CMSG_NXTHDR(&header, const_cast<cmsghdr*>(c))) {
        if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID) {
            std::memcpy(&nsid, CMSG_DATA(c), sizeof nsid);
        }
    }
    auto left = static_cast<std::uint32_t>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
        Event event = event_of(message);
        event.nsid = nsid;
        take(event);
    }
    return true;
}

}  // namespace bench
