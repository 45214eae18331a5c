// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespace/shared_memory.h"

#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace partd::kernel {

namespace {

std::string memory_of(const std::string& pin) {
    return pin + ".shm";
}

bool is_tmpfs(const Fd& place) {
    struct statfs fs{};
    return fstatfs(place.get(), &fs) == 0 && static_cast<unsigned long>(fs.f_type) == TMPFS_MAGIC;
}

bool is_mounted(const std::string& path) {
    struct statx found{};
    return statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &found) == 0 &&
           (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

Result<Fd> shared_memory(PinDirectory& pins, const std::string& name, const std::string& uid,
                         const std::string& gid) {
    PARTD_TRY(pins.make_ready());
    const std::string path = pins.path_of(memory_of(name));
    PARTD_TRY(make_directories(path, 0700));
    if (!is_mounted(path)) {
        const auto place = open_directory(path, false);
        PARTD_TRY(place);
        const std::array<std::pair<std::string, std::string>, 3> options = {
            {{"mode", "1777"}, {"uid", uid}, {"gid", gid}}};
        auto tree = new_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        PARTD_TRY(tree);
        PARTD_TRY(attach(tree->get(), place->get()));
    }
    const auto memory = open_directory(path, false);
    PARTD_TRY(memory);
    if (!is_tmpfs(*memory)) {
        return fail(path + " is not the memory that was mounted there");
    }
    auto tree = clone_tree(memory->get(), false);
    PARTD_TRY(tree);
    PARTD_TRY(set_propagation(tree->get(), MS_PRIVATE));
    return tree;
}

Result<> drop_shared_memory(const PinDirectory& pins, const std::string& name) {
    const std::string path = pins.path_of(memory_of(name));
    while (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
    }
    if (errno != EINVAL && errno != ENOENT) {
        return fail_errno("unmount " + path);
    }
    return rmdir(path.c_str()) == 0 || errno == ENOENT ? Result<>() : fail_errno("remove " + path);
}

}  // namespace partd::kernel
