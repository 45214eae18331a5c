// SPDX-License-Identifier: Apache-2.0
#include "kernel/root/root.h"

#include "base/text.h"
#include "kernel/root/host_tree.h"
#include "kernel/root/place.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace partd::kernel {

namespace {

// pivot_root(2): unlike chroot(2) there is nothing left to go back to.
Result<> pivot(int root) {
    if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0) {
        return fail_errno("pivot_root");
    }
    if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
        return fail_errno("leave the host's tree");
    }
    return {};
}

Result<> build(const RootPlan& plan, const RootView& view) {
    auto root = assemble_root(plan, view);
    if (!root) {
        return std::unexpected(std::move(root).error().placed(plan.at));
    }
    const RootPlace place(std::move(*root), plan, view);
    if (auto mounted = mount_system(place); !mounted) {
        return std::unexpected(std::move(mounted).error().placed(plan.at));
    }
    PARTD_TRY(mount_extras(place));
    if (plan.read_only) {
        PARTD_TRY(set_attributes(place.root(), MOUNT_ATTR_RDONLY, false));
    }
    return pivot(place.root());
}

// The number of the mount namespace that this process is in; nullopt before Linux 6.18.
std::optional<std::uint64_t> number_here() {
    Fd fd(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    const auto own = Namespace::from(std::move(fd), NamespaceType::Mnt);
    return own ? parse_number(own->identity()) : std::nullopt;
}

// A mount namespace can be pinned only by one with a lower number, and Linux 6.18 numbers namespaces per
// processor: a new one may be lower than that of the host. Another processor then has higher numbers.
Result<> be_pinnable(std::optional<std::uint64_t> host) {
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!host || number_here().value_or(*host) > *host) {
            return {};
        }
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        if (sched_setaffinity(0, sizeof only, &only) == 0 && unshare(CLONE_NEWNS) != 0) {
            return fail_errno("make a mount namespace");
        }
    }
    return {};
}

}  // namespace

Result<> enter_new_root(const RootPlan& plan, const RootView& view) {
    const auto host = number_here();
    umask(0);
    PARTD_TRY(copy_host_tree());
    // Not there before the first namespace has a name.
    if (umount2(plan.pins.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
        return fail_errno("unmount " + plan.pins);
    }
    PARTD_TRY(plan.path.empty() ? show_host_tree(plan, view) : build(plan, view));
    if (view.user != nullptr) {
        PARTD_TRY(join(*view.user));
        if (unshare(CLONE_NEWNS) != 0) {
            return fail_errno("make a mount namespace");
        }
    }
    return be_pinnable(host);
}

}  // namespace partd::kernel
