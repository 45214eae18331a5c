// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/files.h"

#include "base/text.h"
#include "kernel/file/kernel_file.h"
#include "kernel/file/own_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

namespace partd::kernel {

Result<Fd> open_directory(const std::string& path, bool for_reading) {
    Fd fd(open(path.c_str(), (for_reading ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        return fail_errno("open " + path);
    }
    return fd;
}

Result<Fd> open_below(int directory, const std::string& name, int flags, unsigned mode) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
    how.mode = mode;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    Fd fd(static_cast<int>(syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
    if (!fd) {
        return fail_errno("open " + name);
    }
    return fd;
}

Result<std::string> read_fd(int fd, std::size_t most) {
    std::string text;
    std::array<char, 16384> buffer;
    while (true) {
        const ssize_t size = read(fd, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return fail_errno("read");
        }
        if (size == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(size));
        if (text.size() > most) {
            return fail(EFBIG, "read");
        }
    }
}

Result<std::string> read_file(const std::string& path, std::size_t most) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return fail_errno("open " + path);
    }
    auto text = read_fd(fd.get(), most);
    return text ? std::move(text) : std::unexpected(std::move(text).error().wrap(path));
}

Result<> write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = write(fd, text.data(), text.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return fail_errno("write");
        }
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return {};
}

Result<> write_kernel_file(const std::string& path, std::string_view text) {
    const auto fd = open_kernel_file(path, O_WRONLY);
    PARTD_TRY(fd);
    // Such files take one value with one write; an empty one too.
    if (write(fd->get(), text.data(), text.size()) < 0) {
        return fail_errno("write \"" + std::string(trim(text)) + "\" to " + path);
    }
    return {};
}

Result<> append_file(const std::string& path, std::string_view text) {
    const Fd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) {
        return fail_errno("open " + path);
    }
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written < 0) {
        return fail_errno("write to " + path);
    }
    return static_cast<std::size_t>(written) == text.size() ? Result<>() : fail(ENOSPC, "write to " + path);
}

std::string file_stamp(const std::string& path) {
    struct stat st{};
    if (stat(path.c_str(), &st) != 0) {
        return {};
    }
    return fmt::format("{} {} {} {}.{}", st.st_dev, st.st_ino, st.st_size, st.st_ctim.tv_sec,
                       st.st_ctim.tv_nsec);
}

Result<> make_directories(const std::string& path, unsigned mode) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        mkdir(path.substr(0, at).c_str(), mode);
    }
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        return fail_errno("create " + path);
    }
    return {};
}

bool has_directories(const std::string& path) {
    struct stat st{};
    return stat(path.c_str(), &st) == 0 && st.st_nlink > 2;
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
    if (!directory) {
        return fail_errno("open " + path);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        return fail_errno("read " + path);
    }
    std::ranges::sort(names);
    return names;
}

namespace {

template <class T>
Result<T> unless_absent(Result<T> read) {
    return !read && read.error().code == ENOENT ? Result<T>(T()) : std::move(read);
}

Result<std::string> read_own(const std::string& path) {
    constexpr std::size_t kMost = std::size_t{256} << 20;
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
        return fail_errno("open " + path);
    }
    struct stat st{};
    if (fstat(fd.get(), &st) != 0) {
        return fail_errno("look at " + path);
    }
    const bool of_root = st.st_uid == 0 || st.st_uid == geteuid();
    if (!S_ISREG(st.st_mode) || !of_root || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(EPERM, "believe " + path + ", which is not a file that root alone could have written");
    }
    auto text = read_fd(fd.get(), kMost);
    return text ? std::move(text) : std::unexpected(std::move(text).error().wrap(path));
}

}  // namespace

Result<std::string> read_if_there(const std::string& path) {
    return unless_absent(read_own(path));
}

Result<std::vector<std::string>> list_if_there(const std::string& path) {
    return unless_absent(list_directory(path));
}

bool exists(const std::string& path) {
    return faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<> remove_file(const std::string& path) {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) {
        return {};
    }
    auto failed = fail_errno("remove " + path);
    // A file system that is read-only says so before it looks whether there is such a file.
    return failed.error().code == EROFS && !exists(path) ? Result<>() : std::move(failed);
}

void remove_empty_directory(const std::string& path) {
    (void)rmdir(path.c_str());
}

Result<> remove_tree(const std::string& path) {
    std::error_code error;
    constexpr int kMostPasses = 64;  // a tree deeper than there are descriptors takes several
    for (int pass = 0; pass < kMostPasses; ++pass) {
        std::filesystem::remove_all(path, error);
        if (error != std::errc::too_many_files_open) {
            break;
        }
    }
    return error ? fail(error.value(), "remove " + path) : Result<>();
}

Result<> rename_path(const std::string& from, const std::string& to) {
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
        return fail_errno("rename " + from);
    }
    return {};
}

Result<> rewrite(const std::string& path, std::string_view text) {
    const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) {
        return fail_errno("open " + path);
    }
    auto written = write_all(fd.get(), text);
    if (written && ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0) {
        written = fail_errno("truncate");
    }
    return written ? Result<>() : std::unexpected(std::move(written).error().wrap(path));
}

std::string block_device_number(const std::string& path) {
    struct stat st{};
    if (stat(path.c_str(), &st) != 0 || !S_ISBLK(st.st_mode)) {
        return {};
    }
    return std::to_string(major(st.st_rdev)) + ":" + std::to_string(minor(st.st_rdev));
}

std::string get_xattr(const std::string& path, const std::string& name) {
    constexpr std::size_t kMostly = 256;  // the kernel makes a buffer of the size that it is told
    std::array<char, XATTR_SIZE_MAX> buffer;
    ssize_t size = getxattr(path.c_str(), name.c_str(), buffer.data(), kMostly);
    if (size < 0 && errno == ERANGE) {
        size = getxattr(path.c_str(), name.c_str(), buffer.data(), buffer.size());
    }
    return size < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
}

Result<> set_xattr(const std::string& path, const std::string& name, std::string_view value) {
    if (setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
        return fail_errno("mark " + path + " with " + name);
    }
    return {};
}

void remove_xattr(const std::string& path, const std::string& name) {
    (void)removexattr(path.c_str(), name.c_str());  // absent is as good
}

std::vector<std::string> list_xattrs(const std::string& path) {
    std::array<char, 65536> buffer;
    const ssize_t size = listxattr(path.c_str(), buffer.data(), buffer.size());
    std::vector<std::string> names;
    for (const std::string_view name :
         split(std::string_view(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))), '\0')) {
        if (!name.empty()) {
            names.emplace_back(name);
        }
    }
    return names;
}

}  // namespace partd::kernel
