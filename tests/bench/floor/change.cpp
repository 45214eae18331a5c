// SPDX-License-Identifier: Apache-2.0
#include "link.h"
#include "nft.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

namespace bench {

namespace {

Socket socket_inside(const Partition& p) {
    const int netns = ::open(p.pin().c_str(), O_RDONLY | O_CLOEXEC);
    require(netns >= 0 && ::setns(netns, CLONE_NEWNET) == 0, p.pin().c_str());
    ::close(netns);
    return Socket(NETLINK_ROUTE);
}

void raise_file_limit() {
    rlimit files = {};
    require(::getrlimit(RLIMIT_NOFILE, &files) == 0, "RLIMIT_NOFILE");
    files.rlim_cur = files.rlim_max;
    require(::setrlimit(RLIMIT_NOFILE, &files) == 0, "RLIMIT_NOFILE");
}

void remove_slice(const std::string& directory) {
    require(::rmdir(directory.c_str()) == 0, directory.c_str());
}

void remove_group(const std::string& below, const Cgroups& cgroups) {
    if (!cgroups.limits.empty() && cgroups.limits != cgroups.marks) {
        remove_slice(cgroups.limits + below);
    }
    remove_slice(cgroups.marks + below);
}

}  // namespace

void change_mtu(int number, std::uint32_t mtu) {
    const Partition p{number};
    Socket host(NETLINK_ROUTE);
    Socket inside = socket_inside(p);
    Messages m;
    set_mtu(m, kInnerIndex, mtu);
    inside.send(m, "change eth0");
    set_mtu(m, p.host_index(), mtu);
    host.send(m, "change the host's end");
}

void repair(int number) {
    const Partition p{number};
    Socket inside = socket_inside(p);
    Messages m;
    set_up(m, kInnerIndex);
    add_address6(m, kInnerIndex, p.v6(2), RT_SCOPE_UNIVERSE);
    add_default_route4(m, kInnerIndex, p.v4(1));
    add_default_route6(m, kInnerIndex, p.v6(1));
    inside.send(m, "repair eth0");
}

// The kernel takes a namespace's links along, all those that nothing holds any more in one go. It begins when
// the first is let go of, and each umount waits for it then: so all are held until the last has lost its
// name.
void remove(int first, int count, bool all, const Cgroups& cgroups) {
    raise_file_limit();
    for (int i = first; i < first + count; ++i) {
        // Held by descriptors, which the end of the program closes.
        require(::open(Partition{i}.pin().c_str(), O_RDONLY | O_CLOEXEC) >= 0, "hold a namespace");
    }
    for (int i = first; i < first + count; ++i) {
        const std::string pin = Partition{i}.pin();
        require(::umount2(pin.c_str(), MNT_DETACH) == 0 && ::unlink(pin.c_str()) == 0, pin.c_str());
    }
    for (int i = first; i < first + count; ++i) {
        remove_group(Partition{i}.slice(), cgroups);
    }
    if (all) {
        delete_table();
        remove_group("/partd.slice", cgroups);
    } else {
        delete_elements(first, count);
    }
}

}  // namespace bench
