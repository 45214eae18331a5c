// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespace/pins.h"

#include "kernel/file/files.h"
#include "kernel/file/lock.h"
#include "kernel/mount/mount_api.h"
#include "kernel/mount/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

namespace partd::kernel {

Result<Fd> PinDirectory::open(const std::string& name) const {
    Fd fd(::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) {
        return fail_errno("open " + path_of(name));
    }
    return fd;
}

PinDirectory::Entry PinDirectory::look(const std::string& name, int flag) const {
    const auto fd = open(name);
    if (!fd) {
        const int code = fd.error().code;
        // For want of descriptors or memory nothing is said about what is there: who opens it next says why
        // not.
        return code == ENOENT || code == ENOTDIR ? Entry::Absent
               : fd.error().is_shortage()        ? Entry::Namespace
                                                 : Entry::Other;
    }
    struct statfs fs{};
    if (fstatfs(fd->get(), &fs) == 0 && static_cast<unsigned long>(fs.f_type) == NSFS_MAGIC &&
        ioctl(fd->get(), NS_GET_NSTYPE) == flag) {
        return Entry::Namespace;
    }
    struct stat st{};
    return fstat(fd->get(), &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 ? Entry::Stale : Entry::Other;
}

std::vector<std::string> PinDirectory::names(const std::string& below) const {
    return list_directory(path_of(below)).value_or(std::vector<std::string>());
}

Result<std::optional<std::string>> PinDirectory::trouble() const {
    const auto mounts = current_mounts();
    PARTD_TRY(mounts);
    const Mount* below = nullptr;
    for (const Mount& mount : **mounts) {
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
    return std::optional<std::string>();
}

namespace {

// On the directory below the mount: what partd made of it.
constexpr char kMadeBy[] = "trusted.partd";
constexpr char kMadeMount[] = "mount";
constexpr char kMadeAll[] = "mount and directory";

// A mount of the directory on itself, among peers of its own: a plain bind mount would be a peer of the mount
// that it stands on, and every pin would appear below it a second time.
Result<> make_mount(int directory) {
    auto tree = clone_tree(directory, true);
    PARTD_TRY(tree);
    PARTD_TRY(set_propagation(tree->get(), MS_PRIVATE));
    PARTD_TRY(set_propagation(tree->get(), MS_SHARED));
    return attach(tree->get(), directory);
}

// Mounts made here reach the mount namespaces of services, and are seen to go by them. The pins on it are not
// changed: a mount namespace's stays private.
bool share(const std::string& path) {
    return mount("", path.c_str(), "none", MS_SHARED, nullptr) == 0;
}

// Anybody can have the directory open and lock it. ip-netns(8) has it locked for the moment in which it makes
// the mount: a lock that is held for longer is not that, and is not waited for.
constexpr std::chrono::milliseconds kWhileMounting{1000};
constexpr std::chrono::milliseconds kWhileRemoving{100};

bool is_mount(const std::string& path) {
    struct statx found{};
    return statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &found) == 0 &&
           (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

Result<> PinDirectory::make_ready() {
    if (ready_) {
        return {};
    }
    const bool fresh = !exists(path_);
    PARTD_TRY(make_directories(path_));
    auto directory = open_directory(path_);
    PARTD_TRY(directory);
    ready_ = share(path_);
    if (!ready_ && shared_) {
        (void)lock_within(directory->get(), kWhileMounting);
        ready_ = share(path_);
    }
    if (!ready_) {
        Result<> made = fail_errno("change the mount");
        if (!is_mount(path_)) {
            (void)set_xattr(path_, kMadeBy,
                            fresh ? kMadeAll : kMadeMount);  // without it the mount only stays
            made = make_mount(directory->get());
        }
        if (!made) {
            return std::unexpected(std::move(made).error().wrap("make " + path_ + " a shared mount"));
        }
    }
    ready_ = true;
    return {};
}

void PinDirectory::retire() {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end;
         entry.increment(error)) {
        if (entry->is_directory(error)) {
            remove_empty_directory(entry->path());  // of a killed removal
        }
    }
    const std::string made = get_xattr(path_, kMadeBy);
    const auto directory = open_directory(path_);
    // A directory that cannot be listed does not count as empty.
    const auto is_empty = [&] {
        const auto listed = list_directory(path_);
        return listed && listed->empty();
    };
    if (made.empty() || !directory || !is_empty()) {
        return;
    }
    // While ip-netns(8) may be about to put a name there the mount stays.
    if ((shared_ && !lock_within(directory->get(), kWhileRemoving)) || !is_empty()) {
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

// On the file under a pin.
constexpr char kPinFile[] = "pin";

Result<> bind(int ns, const std::string& target, const struct stat& file) {
    auto tree = clone_tree(ns, false);
    PARTD_TRY(tree);
    const Fd place(::open(target.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    if (!place) {
        return fail_errno("open " + target);
    }
    struct stat now{};
    if (fstat(place.get(), &now) != 0 || now.st_dev != file.st_dev || now.st_ino != file.st_ino) {
        return fail(EEXIST, "create " + target);  // another program made its own meanwhile
    }
    auto attached = attach(tree->get(), place.get());
    return attached ? Result<>()
                    : std::unexpected(std::move(attached).error().wrap("mount the namespace on " + target));
}

// The kernel lets a mount namespace be pinned only where the mount does not propagate: on a private mount of
// the file on itself.
Result<> stand_alone(const std::string& target) {
    if (mount(target.c_str(), target.c_str(), "none", MS_BIND, nullptr) != 0 ||
        mount("", target.c_str(), "none", MS_PRIVATE, nullptr) != 0) {
        return fail_errno("make a private mount of " + target);
    }
    return {};
}

// ip-netns(8) makes its file a moment before it mounts on it: an empty one is left over only when it bears
// our mark or is older than that.
constexpr std::chrono::milliseconds kMoment{500};

bool is_left_over(const std::string& target, const struct stat& file) {
    using Clock = std::chrono::system_clock;
    const Clock::duration changed =
        std::chrono::seconds(file.st_ctim.tv_sec) + std::chrono::nanoseconds(file.st_ctim.tv_nsec);
    return S_ISREG(file.st_mode) && file.st_size == 0 && !is_mount(target) &&
           (get_xattr(target, kMadeBy) == kPinFile || Clock::now().time_since_epoch() - changed > kMoment);
}

// Waits until a mount on the file is overdue; true if the file is left over.
bool becomes_left_over(const std::string& target, struct stat& file) {
    constexpr std::chrono::milliseconds kPause{10};
    for (auto waited = kPause; waited <= kMoment + kPause; waited += kPause) {
        const bool empty = lstat(target.c_str(), &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0;
        if (!empty || is_mount(target)) {
            return false;
        }
        if (is_left_over(target, file)) {
            return true;
        }
        std::this_thread::sleep_for(kPause);
    }
    return false;
}

// An empty file with our mark, which it has before it has its name. Returns what it is.
Result<struct stat> make_file(const std::string& target) {
    struct stat st{};
    const std::string directory = target.substr(0, target.rfind('/'));
    const Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0));
    if (!file) {
        return fail_errno("create a file in " + directory);
    }
    const std::string self = fmt::format("/proc/self/fd/{}", file.get());
    PARTD_TRY(set_xattr(self, kMadeBy, kPinFile));
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        return fstat(file.get(), &st) == 0 ? Result<struct stat>(st) : fail_errno("look at " + target);
    }
    if (errno != EEXIST) {
        return fail_errno("create " + target);
    }
    return becomes_left_over(target, st) ? Result<struct stat>(st) : fail(EEXIST, "create " + target);
}

Result<> remove_directory_of(const std::string& path, const std::string& name) {
    if (const auto slash = name.rfind('/'); slash != std::string::npos) {
        remove_empty_directory(path + "/" + name.substr(0, slash));
    }
    return {};
}

}  // namespace

Result<> PinDirectory::pin(const std::string& name, int fd, bool alone) {
    PARTD_TRY(make_ready());
    const std::string target = path_of(name);
    if (const auto slash = name.rfind('/'); slash != std::string::npos) {
        PARTD_TRY(make_directories(path_of(name.substr(0, slash)), 0700));
    }
    const auto file = make_file(target);
    PARTD_TRY(file);
    auto bound = alone ? stand_alone(target) : Result<>();
    if (bound) {
        bound = bind(fd, target, *file);
    }
    if (!bound) {
        (void)(alone ? unpin(name) : unpin(name, fd));
    }
    return bound;
}

Result<> PinDirectory::unpin(const std::string& name, int ns) {
    const std::string target = path_of(name);
    const Fd place(::open(target.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    struct stat named{};
    struct stat meant{};
    if (place && fstat(place.get(), &named) == 0 && fstat(ns, &meant) == 0 && named.st_dev == meant.st_dev &&
        named.st_ino == meant.st_ino) {
        // By this very mount: where another has the name meanwhile, this one is gone (EINVAL).
        const std::string mounted = fmt::format("/proc/self/fd/{}", place.get());
        if (umount2(mounted.c_str(), MNT_DETACH) != 0 && errno != EINVAL) {
            return fail_errno("unmount " + target);
        }
    }
    struct stat file{};
    if (lstat(target.c_str(), &file) == 0 && is_left_over(target, file) && unlink(target.c_str()) != 0 &&
        errno != ENOENT) {
        auto failed = fail_errno("remove " + target);
        if (!is_mount(target)) {  // else another namespace has got the name meanwhile
            return failed;
        }
    }
    return remove_directory_of(path_, name);
}

Result<> PinDirectory::unpin(const std::string& name) {
    const std::string target = path_of(name);
    // One that stands alone has a mount below it.
    while (umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
    }
    if (errno != EINVAL && errno != ENOENT) {
        return fail_errno("unmount " + target);
    }
    if (unlink(target.c_str()) != 0 && errno != ENOENT) {
        return fail_errno("remove " + target);
    }
    return remove_directory_of(path_, name);
}

}  // namespace partd::kernel
