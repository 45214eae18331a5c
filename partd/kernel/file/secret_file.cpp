// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/secret_file.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr std::size_t kMost = std::size_t{64} << 10;

// root's own group may have it as well.
bool is_private(const struct stat& status) {
    const bool group = (status.st_mode & S_IRWXG) != 0 && status.st_gid != 0;
    return status.st_uid == 0 && !group && (status.st_mode & S_IRWXO) == 0;
}

}  // namespace

Result<std::string> read_private_file(const std::string& path) {
    // A device does something when it is opened: first it is only looked at.
    const Fd place(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) {
        return fail_errno("open " + path);
    }
    struct stat status{};
    if (fstat(place.get(), &status) != 0) {
        return fail_errno("look at " + path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(path + " is not a regular file");
    }
    if (!is_private(status)) {
        return fail(
            fmt::format("{} can be read or written by others than root (mode {:04o}, owner {}:{}): "
                        "chown root:root and chmod 600 it, and make a new key if others are on this host",
                        path, status.st_mode & 07777U, status.st_uid, status.st_gid));
    }
    const Fd fd(open(fmt::format("/proc/self/fd/{}", place.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return fail_errno("open " + path);
    }
    auto text = read_fd(fd.get(), kMost);
    return text ? std::move(text) : std::unexpected(std::move(text).error().wrap(path));
}

Result<Secret> read_key_file(const std::string& path) {
    auto text = read_private_file(path);
    PARTD_TRY(text);
    std::string_view line = *text;
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
        line.remove_suffix(1);
    }
    const auto key = Secret::parse_base64(trim(line));
    wipe(*text);
    if (!key || key->is_zero()) {
        return fail(
            fmt::format("{} does not have a key of 32 bytes: 44 characters of base64 in one line, as "
                        "`wg genkey` prints them",
                        path));
    }
    return *key;
}

}  // namespace partd::kernel
