// SPDX-License-Identifier: Apache-2.0
#include "events.h"
#include "message.h"
#include "probe.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <string>

namespace bench {

namespace {

constexpr std::int64_t kPatience = 10'000'000'000;  // ns

Socket socket_in(const std::string& name) {
    const int netns = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    require(netns >= 0 && ::setns(netns, CLONE_NEWNET) == 0, name.c_str());
    ::close(netns);
    return Socket(NETLINK_ROUTE);
}

void set_down(Socket& inside) {
    Messages m;
    m.begin(RTM_SETLINK, 0)
        .head(ifinfomsg{.ifi_family = AF_UNSPEC,
                        .__ifi_pad = 0,
                        .ifi_type = 0,
                        .ifi_index = 0,
                        .ifi_flags = 0,
                        .ifi_change = IFF_UP})
        .text(IFLA_IFNAME, "eth0")
        .end();
    inside.send(m, "set eth0 down");
}

// Parts of a link's repair, as their events arrive. The first event, the link going down, gives the
// namespace.
struct Repair {
    int nsid = -1;
    bool up = false;
    bool address6 = false;
    bool route4 = false;
    bool route6 = false;

    void take(const Event& event) {
        if (nsid < 0 && event.type == RTM_NEWLINK && !event.up && event.name == "eth0") {
            nsid = event.nsid;
        }
        if (nsid < 0 || event.nsid != nsid) {
            return;
        }
        up |= event.type == RTM_NEWLINK && event.up && event.name == "eth0";
        address6 |= event.type == RTM_NEWADDR && event.family == AF_INET6 && event.ours;
        route4 |= event.type == RTM_NEWROUTE && event.family == AF_INET && event.ours;
        route6 |= event.type == RTM_NEWROUTE && event.family == AF_INET6 && event.ours;
    }
    [[nodiscard]] bool done() const { return up && address6 && route4 && route6; }
};

void drop_events(int events) {
    while (read_events(events, 1'000'000, [](const Event&) {})) {
    }
}

bool try_one(int events, Socket& inside) {
    drop_events(events);
    Repair repair;
    std::int64_t first = 0;
    const std::int64_t asked = now();
    set_down(inside);
    const std::int64_t down = now();
    while (!repair.done()) {
        if (!read_events(events, down + kPatience - now(), [&](const Event& event) { repair.take(event); })) {
            return false;
        }
        if (repair.up && first == 0) {
            first = now();
        }
    }
    const std::int64_t whole = now();
    ::printf("{\"down\": %.6f, \"first\": %.6f, \"repaired\": %.6f}\n",
             static_cast<double>(down - asked) / 1e9, static_cast<double>(first - down) / 1e9,
             static_cast<double>(whole - down) / 1e9);
    return true;
}

}  // namespace

int drift(int argc, char** argv) {
    if (argc < 2) {
        return 2;
    }
    const int events = listen_to_links(true);
    const timespec pause{.tv_sec = 0, .tv_nsec = ::atol(argv[0]) * 1'000'000};
    for (int i = 1; i < argc; ++i) {
        Socket inside = socket_in(argv[i]);
        if (!try_one(events, inside)) {
            ::fprintf(stderr, "probe: %s is not repaired\n", argv[i]);
            return 1;
        }
        ::nanosleep(&pause, nullptr);
    }
    return 0;
}

}  // namespace bench
