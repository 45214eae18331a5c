// SPDX-License-Identifier: Apache-2.0
#include "message.h"
#include "nft.h"
#include "partition.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

namespace bench {

namespace {

template <class T>
std::size_t dump(Socket& socket, std::uint16_t type, const T& header) {
    return socket.dump(type, {reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
}

// Links, addresses and routes of the namespace that the socket is in.
std::size_t dump_network(Socket& socket) {
    ifinfomsg links = {};
    ifaddrmsg addresses = {};
    rtmsg routes4 = {};
    routes4.rtm_family = AF_INET;
    rtmsg routes6 = {};
    routes6.rtm_family = AF_INET6;
    return dump(socket, RTM_GETLINK, links) + dump(socket, RTM_GETADDR, addresses) +
           dump(socket, RTM_GETROUTE, routes4) + dump(socket, RTM_GETROUTE, routes6);
}

std::size_t look_inside(const Partition& p) {
    const int netns = ::open(p.pin().c_str(), O_RDONLY | O_CLOEXEC);
    require(netns >= 0 && ::setns(netns, CLONE_NEWNET) == 0, p.pin().c_str());
    ::close(netns);
    Socket socket(NETLINK_ROUTE);
    return dump_network(socket);
}

std::size_t read_all(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    require(fd >= 0, path.c_str());
    static thread_local std::array<char, 65536> buffer;
    std::size_t total = 0;
    ssize_t got = 0;
    while ((got = ::read(fd, buffer.data(), buffer.size())) > 0) {
        total += static_cast<std::size_t>(got);
    }
    ::close(fd);
    return total;
}

std::size_t look_at_group(const Partition& p, const Cgroups& cgroups) {
    std::array<char, 256> value = {};
    const std::string marks = cgroups.marks + p.slice();
    std::size_t total = 0;
    for (const char* name : {"trusted.partd", "trusted.partd.partition", "trusted.partd.pids.max"}) {
        const ssize_t got = ::getxattr(marks.c_str(), name, value.data(), value.size());
        total += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    return total + (cgroups.limits.empty() ? 0 : read_all(cgroups.limits + p.slice() + "/pids.max"));
}

std::size_t list(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    require(directory != nullptr, path.c_str());
    std::size_t entries = 0;
    while (::readdir(directory) != nullptr) {
        ++entries;
    }
    ::closedir(directory);
    return entries;
}

}  // namespace

void look(int count, int threads, const Cgroups& cgroups) {
    std::atomic<std::size_t> total = 0;
    {
        Socket host(NETLINK_ROUTE);
        total += dump_network(host);
    }
    total += dump_table();
    total += read_all("/proc/self/mountinfo") + list("/run/netns") + list(cgroups.marks + "/partd.slice");
    total += read_all("/proc/sys/net/ipv4/ip_forward") + read_all("/proc/sys/net/ipv6/conf/all/forwarding");
    const auto share = [&](int first) {
        std::size_t sum = 0;
        for (int i = first; i < count; i += threads) {
            sum += look_inside(Partition{i}) + look_at_group(Partition{i}, cgroups);
        }
        total += sum;
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) {
        others.emplace_back(share, t);
    }
    share(0);
    for (std::thread& other : others) {
        other.join();
    }
    ::printf("%zu bytes\n", total.load());
}

}  // namespace bench
