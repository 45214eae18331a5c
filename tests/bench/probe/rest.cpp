// SPDX-License-Identifier: Apache-2.0
#include "message.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace bench {

namespace {

ifinfomsg any_link() {
    return {.ifi_family = AF_UNSPEC,
            .__ifi_pad = 0,
            .ifi_type = 0,
            .ifi_index = 0,
            .ifi_flags = 0,
            .ifi_change = 0};
}

void add_pair(Socket& socket, int other) {
    Messages m;
    m.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL).head(any_link()).text(IFLA_IFNAME, "inner");
    m.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "veth").open(IFLA_INFO_DATA).open(VETH_INFO_PEER);
    m.head(any_link())
        .text(IFLA_IFNAME, "outer")
        .number<std::uint32_t>(IFLA_NET_NS_FD, static_cast<std::uint32_t>(other));
    m.close().close().close().end();
    socket.send(m, "make a pair");
}

}  // namespace

int rest() {
    require(::unshare(CLONE_NEWNET) == 0, "unshare");
    const int here = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    require(here >= 0, "this namespace");
    const int links = listen_to_links(false);
    require(::unshare(CLONE_NEWNET) == 0, "unshare");
    {
        Socket socket(NETLINK_ROUTE);
        add_pair(socket, here);
    }
    require(::setns(here, CLONE_NEWNET) == 0, "setns");
    return wait_gone(links, 1) < 0 ? 1 : 0;
}

}  // namespace bench
