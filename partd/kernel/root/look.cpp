// SPDX-License-Identifier: Apache-2.0
#include "kernel/root/look.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace partd::kernel {

Result<> look_at_path(const std::string& path) {
    PARTD_TRY(open_plain(path));
    return {};
}

Result<> look_at_target(const std::string& root, const std::string& path) {
    auto opened = open_plain(root);
    PARTD_TRY(opened);
    auto found = find_target(opened->get(), path);
    if (found || found.error().code == ENOENT) {
        return {};
    }
    return found.error().code == 0 ? std::unexpected(std::move(found).error())
                                   : fail(found.error().code, path + " in " + root);
}

Result<> look_at_program(const std::vector<std::string>& roots, const std::string& path) {
    for (const std::string& root : roots) {
        const auto directory = open_directory(root, false);
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        const Fd file(directory ? static_cast<int>(
                                      syscall(SYS_openat2, directory->get(), path.c_str(), &how, sizeof how))
                                : -1);
        struct stat st{};
        if (!file || fstat(file.get(), &st) != 0) {
            continue;
        }
        constexpr mode_t kExecutable = 0111;
        return S_ISREG(st.st_mode) && (st.st_mode & kExecutable) != 0 ? Result<>() : fail(EACCES, path);
    }
    return fail(ENOENT, path);
}

namespace {

// True when others than root may search the directory. With an access list, the group's rights are the most
// that any user in it has (acl(5)).
bool is_open_to_others(const std::string& path, const struct stat& st) {
    const bool listed = (st.st_mode & S_IXGRP) != 0 && !get_xattr(path, "system.posix_acl_access").empty();
    return st.st_uid != 0 || (st.st_mode & S_IXOTH) != 0 || listed ||
           (st.st_gid != 0 && (st.st_mode & S_IXGRP) != 0);
}

}  // namespace

Reach reach_of(const std::string& path) {
    const auto at = open_plain(path);
    struct stat st{};
    struct statvfs mount{};
    if (!at || fstat(at->get(), &st) != 0 || fstatvfs(at->get(), &mount) != 0) {
        return {};
    }
    Reach reach{.others = true,
                .nosuid = (mount.f_flag & ST_NOSUID) != 0,
                .nodev = (mount.f_flag & ST_NODEV) != 0,
                .of_root = st.st_uid == 0};
    const std::size_t last = path.find_last_not_of('/');
    for (std::size_t end = path.find('/', 1); end != std::string::npos && end < last;
         end = path.find('/', end + 1)) {
        const std::string above = path.substr(0, end);
        reach.others = reach.others && stat(above.c_str(), &st) == 0 && is_open_to_others(above, st);
    }
    return reach;
}

}  // namespace partd::kernel
