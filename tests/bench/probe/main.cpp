// SPDX-License-Identifier: Apache-2.0
// The parts of the benchmark for which Python is too slow: see probe.h.
#include "message.h"
#include "probe.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <string_view>

namespace bench {

std::int64_t now() {
    timespec time = {};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int listen_to_links(bool everywhere) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    require(fd >= 0, "netlink socket");
    const int room = 64 << 20;
    require(::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0, "SO_RCVBUFFORCE");
    const int on = 1;
    require(!everywhere || ::setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) == 0,
            "NETLINK_LISTEN_ALL_NSID");
    const sockaddr_nl here{.nl_family = AF_NETLINK,
                           .nl_pad = 0,
                           .nl_pid = 0,
                           .nl_groups = RTMGRP_LINK | (everywhere ? RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                                                        RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
                                                                  : 0U)};
    require(::bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0, "bind");
    return fd;
}

}  // namespace bench

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "run") {
        return bench::run(argc - 2, argv + 2);
    }
    if (what == "rest") {
        return bench::rest();
    }
    if (what == "drift") {
        return bench::drift(argc - 2, argv + 2);
    }
    if (what == "edit") {
        return bench::edit(argc - 2, argv + 2);
    }
    ::fputs("probe run …: see tests/bench/probe/probe.h\n", stderr);
    return 2;
}
