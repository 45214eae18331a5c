#include "kernel/netns.h"

#include "kernel/files.h"
#include "kernel/mounts.h"

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
        // Going on in a foreign namespace would change the wrong host.
        if (home_ && setns(home_.get(), CLONE_NEWNET) != 0) {
            abort();
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

Result<Netns> Netns::from(Fd fd) {
    if (!is_netns(fd.get())) {
        return fail(EINVAL, "not a network namespace");
    }
    struct stat st{};
    fstat(fd.get(), &st);
    std::optional<NetlinkSocket> route;
    {
        auto visit = Visit::enter(fd.get());
        PARTD_TRY(visit);
        auto socket = NetlinkSocket::open(NETLINK_ROUTE);
        PARTD_TRY(socket);
        route = std::move(*socket);
    }
    auto cookie = read_cookie(route->fd());
    PARTD_TRY(cookie);
    return Netns(std::move(fd), std::move(*route), *cookie, st.st_ino);
}

Result<Netns> Netns::current() {
    auto fd = open_own();
    PARTD_TRY(fd);
    return from(std::move(*fd));
}

Result<> Netns::inside(const std::function<Result<>()>& work) const {
    auto visit = Visit::enter(fd_.get());
    PARTD_TRY(visit);
    return work();
}

NetnsDirectory::Entry NetnsDirectory::look(const std::string& name) const {
    const Fd fd(::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) {
        return errno == ENOENT || errno == ENOTDIR ? Entry::Absent : Entry::Other;
    }
    if (is_netns(fd.get())) {
        return Entry::Namespace;
    }
    struct stat st{};
    return fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 ? Entry::Stale : Entry::Other;
}

Result<Netns> NetnsDirectory::open(const std::string& name) const {
    Fd fd(::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) {
        return fail_errno("open " + path_of(name));
    }
    auto netns = Netns::from(std::move(fd));
    return netns ? std::move(netns) : std::unexpected(std::move(netns).error().wrap(path_of(name)));
}

std::vector<std::string> NetnsDirectory::names() const {
    return list_directory(path_).value_or(std::vector<std::string>());
}

std::optional<std::string> NetnsDirectory::trouble() const {
    const auto mounts = read_mounts();
    if (!mounts) {
        return mounts.error().message;
    }
    const Mount* below = nullptr;
    for (const Mount& mount : *mounts) {
        if (mount.point != path_) {
            continue;
        }
        if (below != nullptr && (mount.device != below->device || mount.root != below->root)) {
            return fmt::format(
                "{} is hidden by another mount on it ({}, mount id {}): umount {} to see the namespaces "
                "again",
                path_, mount.type, mount.id, path_);
        }
        below = &mount;
    }
    return std::nullopt;
}

namespace {

// On the directory below the mount: what partd made of it.
constexpr char kMadeBy[] = "trusted.partd";
constexpr char kMadeMount[] = "mount";
constexpr char kMadeAll[] = "mount and directory";

}  // namespace

Result<> NetnsDirectory::make_ready() {
    if (ready_) {
        return {};
    }
    const bool fresh = !exists(path_);
    PARTD_TRY(make_directories(path_));
    auto directory = open_directory(path_);
    PARTD_TRY(directory);
    if (flock(directory->get(), LOCK_EX) != 0) {
        return fail_errno("lock " + path_);
    }
    // Mounts made here must reach the mount namespaces of services and be seen to go by them: the directory
    // is a shared mount of its own.
    if (mount("", path_.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) {
        const bool no_mount = errno == EINVAL;
        (void)set_xattr(path_, kMadeBy, fresh ? kMadeAll : kMadeMount);  // without it the mount only stays
        if (!no_mount || mount(path_.c_str(), path_.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0 ||
            mount("", path_.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) {
            return fail_errno("make " + path_ + " a shared mount");
        }
    }
    ready_ = true;
    return {};
}

void NetnsDirectory::retire() {
    const std::string made = get_xattr(path_, kMadeBy);
    const auto directory = open_directory(path_);
    if (made.empty() || !directory || !names().empty()) {
        return;
    }
    // ip-netns(8) holds the same lock while it makes the mount; a name that it adds meanwhile makes it busy.
    if (flock(directory->get(), LOCK_EX) != 0 || !names().empty()) {
        return;
    }
    ready_ = false;
    if (umount2(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
        remove_xattr(path_, kMadeBy);
        if (made == kMadeAll) {
            remove_empty_directory(path_);
        }
    }
}

namespace {

Result<> bind_from_descriptor(int netns, const std::string& target) {
    const Fd tree(static_cast<int>(
        syscall(SYS_open_tree, netns, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
    if (!tree) {
        return fail_errno("clone the namespace's mount");
    }
    if (syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        return fail_errno("mount the namespace on " + target);
    }
    return {};
}

}  // namespace

Result<Netns> NetnsDirectory::create(const std::string& name,
                                     const std::function<Result<>(Netns&)>& prepare) {
    PARTD_TRY(make_ready());
    std::optional<Netns> netns;
    {
        auto visit = Visit::unshare_new();
        PARTD_TRY(visit);
        auto made = Netns::current();
        PARTD_TRY(made);
        netns = std::move(*made);
    }
    PARTD_TRY(prepare(*netns));
    const std::string target = path_of(name);
    const bool stale = look(name) == Entry::Stale;
    const Fd file(
        ::open(target.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (stale ? 0 : O_EXCL), 0));
    if (!file) {
        return fail_errno("create " + target);
    }
    if (auto bound = bind_from_descriptor(netns->fd(), target); !bound) {
        unlink(target.c_str());
        return std::unexpected(std::move(bound).error());
    }
    return std::move(*netns);
}

Result<> NetnsDirectory::remove(const std::string& name) {
    const std::string target = path_of(name);
    if (umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
        return fail_errno("unmount " + target);
    }
    if (unlink(target.c_str()) != 0 && errno != ENOENT) {
        return fail_errno("remove " + target);
    }
    return {};
}

}  // namespace partd::kernel
