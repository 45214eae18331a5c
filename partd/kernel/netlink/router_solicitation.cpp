// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/router_solicitation.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace partd::kernel {

void solicit_routers(const std::string& link) {
    const Fd socket(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
    sockaddr_in6 all_routers{};
    all_routers.sin6_family = AF_INET6;
    all_routers.sin6_scope_id = if_nametoindex(link.c_str());
    inet_pton(AF_INET6, "ff02::2", &all_routers.sin6_addr);
    const int hops = 255;  // RFC 4861, 6.1.1: or else it is not believed
    if (!socket || all_routers.sin6_scope_id == 0 ||
        setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0) {
        return;
    }
    nd_router_solicit solicitation{};
    solicitation.nd_rs_type = ND_ROUTER_SOLICIT;
    (void)sendto(socket.get(), &solicitation, sizeof solicitation, 0,
                 reinterpret_cast<const sockaddr*>(&all_routers), sizeof all_routers);
}

}  // namespace partd::kernel
