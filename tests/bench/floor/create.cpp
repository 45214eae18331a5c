// SPDX-License-Identifier: Apache-2.0
#include "link.h"
#include "nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

namespace {

constexpr char kOwnNet[] = "/proc/thread-self/ns/net";
constexpr int kLoopback = 1;
// Messages to the host's socket are sent in lots: fewer calls, and the other thread is never far behind.
constexpr std::size_t kLot = 32768;

void write_file(const std::string& path, const char* text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    require(fd >= 0 && ::write(fd, text, strlen(text)) == static_cast<ssize_t>(strlen(text)), path.c_str());
    ::close(fd);
}

void mark(const std::string& directory, const char* name, const std::string& value) {
    require(::setxattr(directory.c_str(), name, value.data(), value.size(), 0) == 0, directory.c_str());
}

// /run/netns is a shared mount of its own, as ip-netns(8) makes it.
void prepare_pins() {
    constexpr char kPins[] = "/run/netns";
    if (::mkdir(kPins, 0755) == 0) {
        require(::mount(kPins, kPins, "none", MS_BIND | MS_REC, nullptr) == 0 &&
                    ::mount("", kPins, "none", MS_SHARED | MS_REC, nullptr) == 0,
                kPins);
    }
}

void forward_packets() {
    write_file("/proc/sys/net/ipv4/ip_forward", "1");
    write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
}

void make_slice(const std::string& directory, const std::string& owner) {
    require(::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST, directory.c_str());
    mark(directory, "trusted.partd", owner);
}

void limit(const Partition& p, const Cgroups& cgroups) {
    const std::string marks = cgroups.marks + p.slice();
    make_slice(marks, p.name());
    mark(marks, "trusted.partd.partition", "stop 10000 net");
    if (cgroups.limits.empty()) {
        return;
    }
    mark(marks, "trusted.partd.pids.max", "256");
    const std::string limits = cgroups.limits + p.slice();
    if (limits != marks) {
        make_slice(limits, p.name());
    }
    write_file(limits + "/pids.max", "256");
}

// A namespace with its name, and a socket in it. The thread is in it afterwards.
Socket make_namespace(const Partition& p) {
    require(::unshare(CLONE_NEWNET) == 0, "unshare");
    const int pin = ::open(p.pin().c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    require(pin >= 0, p.pin().c_str());
    ::close(pin);
    require(::mount(kOwnNet, p.pin().c_str(), "none", MS_BIND, nullptr) == 0, p.pin().c_str());
    return Socket(NETLINK_ROUTE);
}

void configure_inside(Messages& m, const Partition& p, int host) {
    set_up(m, kLoopback);
    set_alias(m, kLoopback, "partd:" + p.name());
    add_pair(m, p, host);
    set_alias(m, kInnerIndex, "partd:" + p.name() + "/eth0");
    set_up(m, kInnerIndex);
    add_address4(m, kInnerIndex, p.v4(2));
    add_address6(m, kInnerIndex, p.v6(2), RT_SCOPE_UNIVERSE);
    add_default_route4(m, kInnerIndex, p.v4(1));
    add_default_route6(m, kInnerIndex, p.v6(1));
}

void turn_on_host_end(Messages& m, const Partition& p) {
    set_alias(m, p.host_index(), "partd:" + p.name() + "/eth0:peer");
    without_generated_address(m, p.host_index());
    set_up(m, p.host_index());
}

void address_host_end(Messages& m, const Partition& p) {
    constexpr std::array<std::uint8_t, 16> kLinkLocal = {0xfe, 0x80, 0, 0, 0, 0, 0, 0,
                                                         0,    0,    0, 0, 0, 0, 0, 1};
    add_address4(m, p.host_index(), p.v4(1));
    add_address6(m, p.host_index(), p.v6(1), RT_SCOPE_UNIVERSE);
    add_address6(m, p.host_index(), kLinkLocal, RT_SCOPE_LINK);
}

// Namespaces that are made and not configured yet, from one thread to the other.
class Pipeline {
public:
    explicit Pipeline(std::size_t count) : sockets_(count) {}

    void put(Socket socket) {
        const std::size_t at = made_.load(std::memory_order_relaxed);
        sockets_[at].emplace(std::move(socket));
        made_.store(at + 1, std::memory_order_release);
        made_.notify_one();
    }
    Socket take(std::size_t at) {
        std::size_t made = made_.load(std::memory_order_acquire);
        while (made <= at) {
            made_.wait(made, std::memory_order_acquire);
            made = made_.load(std::memory_order_acquire);
        }
        Socket socket = std::move(*sockets_[at]);
        sockets_[at].reset();
        return socket;
    }

private:
    std::vector<std::optional<Socket>> sockets_;
    std::atomic<std::size_t> made_ = 0;
};

void configure(Pipeline& pipeline, int first, int count) {
    const int here = ::open(kOwnNet, O_RDONLY | O_CLOEXEC);
    require(here >= 0, kOwnNet);
    Socket host(NETLINK_ROUTE);
    Messages inside;
    Messages outside;
    for (int i = 0; i < count; ++i) {
        const Partition p{first + i};
        Socket socket = pipeline.take(static_cast<std::size_t>(i));
        configure_inside(inside, p, here);
        socket.send(inside, "configure a namespace");
        turn_on_host_end(outside, p);
        if (outside.size() > kLot) {
            host.send(outside, "turn on the host's ends");
        }
    }
    host.send(outside, "turn on the host's ends");
    // Only when all are on: each link that comes up walks all IPv6 routes there are.
    for (int i = 0; i < count; ++i) {
        address_host_end(outside, Partition{first + i});
        if (outside.size() > kLot || i + 1 == count) {
            host.send(outside, "address the host's ends");
        }
    }
    ::close(here);
}

}  // namespace

void create(int first, int count, const Cgroups& cgroups) {
    // Before any link is up, so that nothing passes unprotected.
    write_table(first, count, first == 0);
    if (first == 0) {
        prepare_pins();
        forward_packets();
        make_slice(cgroups.marks + "/partd.slice", "partd");
        if (!cgroups.limits.empty() && cgroups.limits != cgroups.marks) {
            make_slice(cgroups.limits + "/partd.slice", "partd");
        }
    }
    Pipeline pipeline(static_cast<std::size_t>(count));
    std::thread configurer([&] { configure(pipeline, first, count); });
    for (int i = 0; i < count; ++i) {
        pipeline.put(make_namespace(Partition{first + i}));
    }
    for (int i = 0; i < count; ++i) {
        limit(Partition{first + i}, cgroups);
    }
    configurer.join();
}

}  // namespace bench
