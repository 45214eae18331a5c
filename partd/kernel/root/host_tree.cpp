// SPDX-License-Identifier: Apache-2.0
#include "kernel/root/host_tree.h"

#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

namespace partd::kernel {

namespace {

// sysfs shows the network namespace in which it was mounted.
Result<> mount_sysfs() {
    constexpr char kCgroup[] = "/sys/fs/cgroup";
    Fd cgroup;
    const auto at = open_directory(kCgroup, false);
    if (at) {
        auto tree = clone_tree(at->get(), true);
        PARTD_TRY(tree);
        cgroup = std::move(*tree);
    } else if (at.error().code != ENOENT) {
        return std::unexpected(at.error());
    }
    struct statvfs st{};
    const bool read_only = statvfs("/sys", &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
    if (umount2("/sys", MNT_DETACH) != 0 && errno != EINVAL) {
        return fail_errno("unmount /sys");
    }
    if (mount("partd", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | (read_only ? MS_RDONLY : 0),
              nullptr) != 0) {
        return fail_errno("mount /sys");
    }
    if (!cgroup) {
        return {};
    }
    const auto place = open_directory(kCgroup, false);
    PARTD_TRY(place);
    return attach(cgroup.get(), place->get());
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

Result<> copy_host_tree() {
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) != 0) {
        return fail_errno("make a mount namespace");
    }
    return {};
}

Result<> show_host_tree(const RootPlan& plan, const RootView& view) {
    if (view.net) {
        PARTD_TRY(mount_sysfs());
    }
    if (const auto place = open_directory("/dev/shm", false); place && plan.memory >= 0) {
        PARTD_TRY(attach(plan.memory, place->get()));
    }
    PARTD_TRY(bind_etc(plan.etc));
    if (view.pid && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        return fail_errno("mount /proc");
    }
    return {};
}

Result<> mount_host_view(const std::string& etc) {
    PARTD_TRY(copy_host_tree());
    PARTD_TRY(mount_sysfs());
    return bind_etc(etc);
}

}  // namespace partd::kernel
