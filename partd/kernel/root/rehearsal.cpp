// SPDX-License-Identifier: Apache-2.0
#include "kernel/root/rehearsal.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <ranges>
#include <utility>

namespace partd::kernel {

namespace {
constexpr std::size_t kSize = std::size_t{64} << 10;
}  // namespace

Result<Namespace> open_again(const Namespace& ns) {
    Fd fd(fcntl(ns.fd(), F_DUPFD_CLOEXEC, 0));
    return fd ? Namespace::from(std::move(fd), ns.type()) : fail_errno("open a namespace again");
}

Result<SharedPaths> SharedPaths::make() {
    void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return fail_errno("map memory");
    }
    return SharedPaths(static_cast<char*>(memory));
}

SharedPaths::SharedPaths(SharedPaths&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}

SharedPaths::~SharedPaths() {
    if (memory_ != nullptr) {
        munmap(memory_, kSize);
    }
}

// One after the other, each ended by a zero byte; the last byte stays zero.
void SharedPaths::add(std::string_view path) const {
    char* at = memory_;
    while (*at != '\0') {
        at += std::strlen(at) + 1;
    }
    if (path.size() + 2 <= static_cast<std::size_t>(memory_ + kSize - at)) {
        std::memcpy(at, path.data(), path.size());
    }
}

std::vector<std::string> SharedPaths::all() const {
    std::vector<std::string> paths;
    for (const char* at = memory_; *at != '\0'; at += std::strlen(at) + 1) {
        paths.emplace_back(at);
    }
    return paths;
}

void remove_made(const std::string& root, const SharedPaths& made) {
    const auto top = open_plain(root);
    if (!top) {
        return;
    }
    const auto paths = made.all();
    for (const std::string& path : paths | std::views::reverse) {
        const std::size_t slash = path.rfind('/');
        const std::string name = path.substr(slash + 1);
        const auto parent = open_below(top->get(), slash == std::string::npos ? "." : path.substr(0, slash),
                                       O_PATH | O_DIRECTORY);
        struct stat st{};
        if (!parent || fstatat(parent->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR);  // refuses one that has entries
        } else if (S_ISREG(st.st_mode) && st.st_size == 0) {
            unlinkat(parent->get(), name.c_str(), 0);
        }
    }
}

}  // namespace partd::kernel
