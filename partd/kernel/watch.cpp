#include "kernel/watch.h"

#include "kernel/files.h"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace partd::kernel {

Result<DirectoryWatch> DirectoryWatch::open() {
    Fd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) {
        return fail_errno("watch directories (the limit is sysctl fs.inotify.max_user_instances)");
    }
    return DirectoryWatch(std::move(fd));
}

void DirectoryWatch::follow(const std::set<std::string>& directories) {
    if (directories == followed_) {
        return;
    }
    followed_ = directories;
    watch_again();
}

void DirectoryWatch::watch_again() {
    for (const auto& [number, watched] : watches_) {
        inotify_rm_watch(fd_.get(), number);
    }
    watches_.clear();
    for (const std::string& directory : followed_) {
        watch(directory);
    }
}

void DirectoryWatch::watch(const std::string& directory) {
    constexpr std::uint32_t kInside = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE |
                                      IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    constexpr std::uint32_t kAbove = IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    std::string at = directory;
    std::string awaited;
    bool retried = false;
    while (true) {
        const int number = inotify_add_watch(fd_.get(), at.empty() ? "/" : at.c_str(),
                                             IN_MASK_ADD | (awaited.empty() ? kInside : kAbove));
        if (number >= 0) {
            watches_[number].push_back({at, awaited});
            if (awaited.empty() || retried || !exists(at + "/" + awaited)) {
                return;
            }
            // It came to be before it was waited for.
            retried = true;
            at = directory;
            awaited.clear();
            continue;
        }
        const std::size_t slash = at.rfind('/');
        if (at.empty() || slash == std::string::npos) {
            return;
        }
        awaited = at.substr(slash + 1);
        at = at.substr(0, slash);
    }
}

DirectoryWatch::Meaning DirectoryWatch::meaning_of(int number, std::uint32_t mask, std::string_view name,
                                                   bool (*counts)(std::string_view name)) const {
    if ((mask & IN_Q_OVERFLOW) != 0) {
        return {.concerns = true, .moves = true};
    }
    const bool gone = (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0;
    Meaning meaning;
    if (const auto found = watches_.find(number); found != watches_.end()) {
        for (const Watched& watched : found->second) {
            const bool above = !watched.awaited.empty();
            meaning.concerns |= gone || (above ? name == watched.awaited : counts(name));
            meaning.moves |= gone || above;
        }
    }
    return meaning;
}

bool DirectoryWatch::drain(bool (*counts)(std::string_view name)) {
    Meaning all;
    alignas(inotify_event) std::array<char, 16384> buffer;
    for (ssize_t size = 0; (size = read(fd_.get(), buffer.data(), buffer.size())) > 0;) {
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const std::string_view name = event.len > 0 ? buffer.data() + at + sizeof event : "";
            const Meaning meaning = meaning_of(event.wd, event.mask, name, counts);
            all.concerns |= meaning.concerns;
            all.moves |= meaning.moves;
            at += sizeof event + event.len;
        }
    }
    if (all.concerns && all.moves) {
        watch_again();
    }
    return all.concerns;
}

namespace {

Result<Fd> listen(int protocol, const std::vector<int>& groups) {
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno("listen to the kernel's events");
    }
    // A thousand links in one go overflow the default; what is lost is seen all the same (ENOBUFS).
    const int size = 16 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    for (const int group : groups) {
        if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
            return fail_errno("listen to the kernel's events");
        }
    }
    return fd;
}

}  // namespace

Result<HostWatch> HostWatch::open() {
    auto links =
        listen(NETLINK_ROUTE, {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                               RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NSID});
    PARTD_TRY(links);
    const int on = 1;
    if (setsockopt(links->get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) != 0) {
        return fail_errno("listen to the events of all network namespaces");
    }
    auto nftables = listen(NETLINK_NETFILTER, {NFNLGRP_NFTABLES});
    PARTD_TRY(nftables);
    Fd mounts(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!mounts) {
        return fail_errno("open /proc/self/mountinfo");
    }
    return HostWatch(std::move(*links), std::move(*nftables), std::move(mounts));
}

bool HostWatch::drain() {
    bool any = false;
    std::array<char, 32768> buffer;
    for (const int fd : {links_.get(), nftables_.get()}) {
        while (true) {
            const ssize_t size = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (size < 0 && errno != ENOBUFS && errno != EINTR) {
                break;
            }
            any = true;
        }
    }
    pollfd polled{.fd = mounts_.get(), .events = POLLPRI, .revents = 0};
    return (poll(&polled, 1, 0) > 0 && (polled.revents & (POLLPRI | POLLERR)) != 0) || any;
}

}  // namespace partd::kernel
