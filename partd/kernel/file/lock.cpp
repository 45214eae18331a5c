// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/lock.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <thread>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

using Clock = std::chrono::steady_clock;

// Descriptors that had a lock once, and of which file.
std::map<int, struct stat>& held_once() {
    static std::map<int, struct stat> held;
    return held;
}

bool same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// A number in /proc/locks may be another process's by now: who locked it can have handed the descriptor on.
bool has_open(std::string_view pid, const struct stat& file) {
    const std::string directory = fmt::format("/proc/{}/fd", pid);
    const auto open = list_directory(directory);
    return open && std::ranges::any_of(*open, [&](const std::string& fd) {
               struct stat st{};
               return stat((directory + "/" + fd).c_str(), &st) == 0 && same_file(st, file);
           });
}

std::string describe(std::string_view pid) {
    constexpr std::size_t kSmall = 4096;
    // "123 (partctl) T …": the name may have parentheses in it.
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid), kSmall).value_or("");
    const auto begin = stat.find('(');
    const auto end = stat.rfind(") ");
    if (begin == std::string::npos || end == std::string::npos || end < begin) {
        return fmt::format("process {}", pid);
    }
    return fmt::format("process {} ({}{})", pid, printable(stat.substr(begin + 1, end - begin - 1)),
                       stat.compare(end, 3, ") T") == 0 ? ", stopped" : "");
}

std::string held_sentence(const std::string& path, const std::string& holder) {
    return fmt::format(
        "{} has the lock {}: let it end, continue it (kill -CONT) where it is stopped, or end it", holder,
        path);
}

}  // namespace

std::string lock_holder(int fd) {
    struct stat file{};
    const auto locks = read_file("/proc/locks");
    if (locks && fstat(fd, &file) == 0) {
        const std::string place =
            fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
        // "1: FLOCK  ADVISORY  WRITE 123 00:19:456 0 EOF"; with "->" it waits.
        for (const std::string_view line : split(std::string_view(*locks), '\n')) {
            const auto fields = words(line);
            constexpr std::size_t kPid = 4;
            constexpr std::size_t kPlace = 5;
            if (fields.size() > kPlace && fields[1] == "FLOCK" && fields[kPlace] == place &&
                has_open(fields[kPid], file)) {
                return describe(fields[kPid]);
            }
        }
    }
    return "another process";
}

Result<> lock_within(int fd, std::chrono::milliseconds patience) {
    constexpr std::chrono::milliseconds kPause{10};
    const auto until = Clock::now() + patience;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return fail_errno("lock it");
        }
        if (Clock::now() >= until) {
            return fail(EWOULDBLOCK, "lock it");
        }
        std::this_thread::sleep_for(kPause);
    }
    return {};
}

Result<Fd> lock_file(const std::string& path, std::chrono::milliseconds patience,
                     const std::function<void(const std::string&)>& tell) {
    constexpr mode_t kRootAlone = 0600;
    constexpr std::chrono::milliseconds kSilent{1000};
    Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kRootAlone));
    struct stat st{};
    if (!lock || fstat(lock.get(), &st) != 0) {
        return fail_errno("open " + path);
    }
    if ((st.st_mode & ~kRootAlone & ALLPERMS) != 0 && fchmod(lock.get(), kRootAlone) != 0) {
        return fail_errno("keep others from opening " + path);
    }
    auto locked = lock_within(lock.get(), std::min(patience, kSilent));
    if (!locked && locked.error().code == EWOULDBLOCK && patience > kSilent) {
        if (tell) {
            tell("waiting: " + held_sentence(path, lock_holder(lock.get())));
        }
        locked = lock_within(lock.get(), patience - kSilent);
    }
    if (!locked && locked.error().code == EWOULDBLOCK) {
        return std::unexpected(
            Error{.code = EWOULDBLOCK,
                  .message = "nothing was done: " + held_sentence(path, lock_holder(lock.get()))});
    }
    if (!locked) {
        return std::unexpected(std::move(locked).error().wrap(path));
    }
    held_once()[lock.get()] = st;
    return lock;
}

void let_go_of_locks() {
    for (const auto& [fd, file] : held_once()) {
        struct stat now{};
        if (fstat(fd, &now) == 0 && same_file(now, file)) {
            const Fd closed(fd);
        }
    }
}

}  // namespace partd::kernel
