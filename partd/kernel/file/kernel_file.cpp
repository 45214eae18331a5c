// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/kernel_file.h"

#include "kernel/file/files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <utility>

namespace partd::kernel {

Result<Fd> open_kernel_file(const std::string& path, int flags) {
    Fd fd(open(path.c_str(), flags | O_CLOEXEC));
    if (!fd) {
        return fail_errno("open " + path);
    }
    struct statfs fs{};
    if (fstatfs(fd.get(), &fs) != 0) {
        return fail_errno("look at the file system of " + path);
    }
    const auto magic = static_cast<unsigned long>(fs.f_type);
    if (magic != PROC_SUPER_MAGIC && magic != CGROUP_SUPER_MAGIC && magic != CGROUP2_SUPER_MAGIC) {
        return fail(path + " is not the kernel's: unmount what is mounted over it");
    }
    return fd;
}

Result<std::string> read_kernel_file(const std::string& path) {
    constexpr std::size_t kMost = std::size_t{1} << 20;
    const auto fd = open_kernel_file(path, O_RDONLY);
    PARTD_TRY(fd);
    auto text = read_fd(fd->get(), kMost);
    return text ? std::move(text) : std::unexpected(std::move(text).error().wrap(path));
}

}  // namespace partd::kernel
