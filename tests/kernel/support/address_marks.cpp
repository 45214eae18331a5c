// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>

namespace partd::test {
namespace {

#ifndef IFA_PROTO
constexpr unsigned short kAddressProtocol = 11;  // since Linux 5.18
#else
constexpr unsigned short kAddressProtocol = IFA_PROTO;
#endif

/// Adds one message of the dump; false after the last.
bool take(const nlmsghdr& message, unsigned index, std::map<std::string, int>& all) {
    if (message.nlmsg_type != RTM_NEWADDR) {
        return false;
    }
    const auto* body = static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
    if (body->ifa_index != index || body->ifa_scope != RT_SCOPE_UNIVERSE) {
        return true;
    }
    std::string address;
    int protocol = 0;
    auto length = static_cast<int>(IFA_PAYLOAD(&message));
    for (const auto* attribute = IFA_RTA(body); RTA_OK(attribute, length);
         attribute = RTA_NEXT(attribute, length)) {
        if (attribute->rta_type == IFA_ADDRESS) {
            std::array<char, INET6_ADDRSTRLEN> text{};
            address = ::inet_ntop(body->ifa_family, RTA_DATA(attribute), text.data(), text.size());
        } else if (attribute->rta_type == kAddressProtocol) {
            protocol = *static_cast<const std::uint8_t*>(RTA_DATA(attribute));
        }
    }
    all[address] = protocol;
    return true;
}

}  // namespace

std::map<std::string, int> address_protocols(const std::string& name, int netns) {
    std::unique_ptr<InNetns> there;
    if (netns >= 0) {
        there = std::make_unique<InNetns>(netns);
    }
    const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    require_call(socket >= 0, "netlink socket");
    struct {
        nlmsghdr header{};
        ifaddrmsg body{};
    } request;
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_GETADDR;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    require_call(::send(socket, &request, sizeof request, 0) == sizeof request, "send");

    std::map<std::string, int> all;
    alignas(nlmsghdr) std::array<char, 65536> buffer{};
    const unsigned index = ::if_nametoindex(name.c_str());
    for (bool more = true; more;) {
        auto length = ::recv(socket, buffer.data(), buffer.size(), 0);
        require_call(length > 0, "recv");
        auto* message = reinterpret_cast<nlmsghdr*>(buffer.data());
        for (; more && NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
            more = take(*message, index, all);
        }
    }
    ::close(socket);
    return all;
}

}  // namespace partd::test
