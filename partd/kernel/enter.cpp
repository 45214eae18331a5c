#include "kernel/enter.h"

#include "kernel/files.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace partd::kernel {

namespace {

// sysfs shows the network namespace in which it was mounted.
Result<> mount_sysfs() {
    constexpr char kCgroup[] = "/sys/fs/cgroup";
    const Fd cgroup(static_cast<int>(
        syscall(SYS_open_tree, AT_FDCWD, kCgroup, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
    struct statvfs st{};
    const bool read_only = statvfs("/sys", &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
    if (umount2("/sys", MNT_DETACH) != 0 && errno != EINVAL) {
        return fail_errno("unmount /sys");
    }
    if (mount("partd", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | (read_only ? MS_RDONLY : 0),
              nullptr) != 0) {
        return fail_errno("mount /sys");
    }
    if (cgroup &&
        syscall(SYS_move_mount, cgroup.get(), "", AT_FDCWD, kCgroup, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        return fail_errno(std::string("mount ") + kCgroup);
    }
    return {};
}

Result<> bind_etc(const std::string& directory) {
    for (const std::string& name : list_directory(directory).value_or(std::vector<std::string>())) {
        const std::string target = "/etc/" + name;
        if (access(target.c_str(), F_OK) != 0) {
            continue;  // as ip-netns(8): there is nothing to stand over
        }
        if (mount((directory + "/" + name).c_str(), target.c_str(), "none", MS_BIND, nullptr) != 0) {
            return fail_errno("bind " + directory + "/" + name + " over " + target);
        }
    }
    return {};
}

}  // namespace

Result<> enter(Host& host, const Entry& entry) {
    if (entry.group) {
        PARTD_TRY(host.cgroups().join(*entry.group));
    }
    if (!entry.netns) {
        return {};
    }
    auto netns = host.netns(*entry.netns);
    PARTD_TRY(netns);
    if (setns((*netns)->fd(), CLONE_NEWNET) != 0) {
        return fail_errno("enter the network namespace");
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) != 0) {
        return fail_errno("make a mount namespace");
    }
    PARTD_TRY(mount_sysfs());
    return bind_etc(host.paths().etc_netns() + "/" + *entry.netns);
}

unsigned set_file_mode_mask(unsigned mask) {
    return umask(mask);
}

Error become(const std::vector<std::string>& command, unsigned file_mode_mask) {
    umask(file_mode_mask);
    // Descriptors of ours close by themselves; those that the caller left open are the caller's mistake, and
    // stay out as well.
    constexpr unsigned kFirst = 3;
    syscall(SYS_close_range, kFirst, ~0U, CLOSE_RANGE_CLOEXEC);
    std::vector<char*> arguments;
    for (const std::string& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    return fail_errno(command[0]).error();
}

}  // namespace partd::kernel
