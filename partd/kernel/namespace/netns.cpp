// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespace/netns.h"

#include "kernel/child/child.h"
#include "kernel/file/files.h"
#include "kernel/mount/mounts.h"
#include "kernel/namespace/netns_supply.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr char kOwnNetns[] = "/proc/thread-self/ns/net";

Result<Fd> open_own() {
    Fd fd(open(kOwnNetns, O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return fail_errno(std::string("open ") + kOwnNetns);
    }
    return fd;
}

// Puts the thread back where it was.
class Visit {
public:
    static Result<Visit> enter(int netns) {
        auto home = open_own();
        PARTD_TRY(home);
        if (setns(netns, CLONE_NEWNET) != 0) {
            return fail_errno("enter the network namespace");
        }
        return Visit(std::move(*home));
    }
    // Leaves for a new, empty namespace.
    static Result<Visit> unshare_new() {
        auto home = open_own();
        PARTD_TRY(home);
        if (unshare(CLONE_NEWNET) != 0) {
            return fail_errno("unshare the network namespace");
        }
        return Visit(std::move(*home));
    }
    Visit(Visit&&) = default;
    Visit& operator=(Visit&&) = delete;
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() {
        if (home_ && setns(home_.get(), CLONE_NEWNET) != 0) {
            end_astray("network");
        }
    }

private:
    explicit Visit(Fd home) : home_(std::move(home)) {}
    Fd home_;
};

bool is_netns(int fd) {
    struct statfs fs{};
    return fstatfs(fd, &fs) == 0 && static_cast<unsigned long>(fs.f_type) == NSFS_MAGIC &&
           ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

Result<std::uint64_t> read_cookie(int socket) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
        return fail_errno("read the network namespace's cookie");
    }
    return cookie;
}

}  // namespace

Result<Netns> Netns::here(Fd fd) {
    auto route = NetlinkSocket::open(NETLINK_ROUTE);
    PARTD_TRY(route);
    auto cookie = read_cookie(route->fd());
    PARTD_TRY(cookie);
    struct stat st{};
    fstat(fd.get(), &st);
    return Netns(std::move(fd), std::move(*route), *cookie, st.st_ino);
}

Result<Netns> Netns::from(Fd fd) {
    if (!is_netns(fd.get())) {
        return fail(EINVAL, "not a network namespace");
    }
    auto visit = Visit::enter(fd.get());
    PARTD_TRY(visit);
    return here(std::move(fd));
}

Result<Netns> Netns::current() {
    auto fd = open_own();
    PARTD_TRY(fd);
    if (!is_netns(fd->get())) {
        return fail(std::string(kOwnNetns) + " is not a network namespace: is /proc mounted there?");
    }
    return here(std::move(*fd));
}

Result<Netns> Netns::make() {
    auto visit = Visit::unshare_new();
    PARTD_TRY(visit);
    auto fd = open_own();
    PARTD_TRY(fd);
    return here(std::move(*fd));
}

Result<> Netns::inside(const std::function<Result<>()>& work) const {
    auto visit = Visit::enter(fd_.get());
    PARTD_TRY(visit);
    return work();
}

Result<Netns> NetnsDirectory::open(const std::string& name) const {
    auto fd = PinDirectory::open(name);
    PARTD_TRY(fd);
    auto netns = Netns::from(std::move(*fd));
    return netns ? std::move(netns) : std::unexpected(std::move(netns).error().wrap(path_of(name)));
}

NetnsDirectory::Entry NetnsDirectory::look(const std::string& name) const {
    return PinDirectory::look(name, CLONE_NEWNET);
}

bool NetnsDirectory::stands_for(const std::string& name, const Netns& netns) const {
    struct stat named{};
    struct stat open{};
    return lstat(path_of(name).c_str(), &named) == 0 && fstat(netns.fd(), &open) == 0 &&
           named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

namespace {

Result<Netns> make_owned(const Namespace& user) {
    auto made = make_namespace(NamespaceType::Net, &user);
    PARTD_TRY(made);
    return Netns::from(std::move(*made).release());
}

}  // namespace

Result<Netns> NetnsDirectory::create(const std::string& name, const Namespace* user,
                                     const std::function<Result<>(Netns&)>& prepare) {
    PARTD_TRY(make_ready());
    auto netns = user != nullptr ? make_owned(*user) : supply_ ? supply_->take() : Netns::make();
    PARTD_TRY(netns);
    PARTD_TRY(prepare(*netns));
    PARTD_TRY(pin(name, netns->fd()));
    return netns;
}

void NetnsDirectory::expect(std::size_t count) {
    supply_ = count == 0 ? nullptr : std::make_shared<NetnsSupply>(count);
}

}  // namespace partd::kernel
