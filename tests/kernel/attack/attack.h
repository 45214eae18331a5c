// SPDX-License-Identifier: Apache-2.0
#pragma once
// The attacker's program: each word tries one way out and prints "ATTEMPT RESULT" lines, where RESULT is
// "done" or the name of an errno. It is static, for it runs in any tree, and harmless where it succeeds:
// files are only opened, clocks set to what they show, signals go to the process named.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace partd::attack {

using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

inline void tell(const std::string& attempt, bool done) {
    const char* name = done ? "done" : strerrorname_np(errno);
    std::printf("%s %s\n", attempt.c_str(), name == nullptr ? "unknown" : name);
    std::fflush(stdout);
}

// A system call's result; -1 is a failure.
inline void tried(const std::string& attempt, long result) {
    tell(attempt, result != -1);
}

// Opened in that way, and closed again.
inline bool opens(const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

inline bool links(const std::string& path) {
    char target[PATH_MAX];
    return readlink(path.c_str(), target, sizeof target) > 0;
}

inline std::string link_of(const std::string& path) {
    char target[PATH_MAX];
    const ssize_t size = readlink(path.c_str(), target, sizeof target);
    return size < 0 ? "" : std::string(target, static_cast<std::size_t>(size));
}

inline std::string contents(const std::string& path) {
    std::string text;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char buffer[4096];
    for (ssize_t size = 0;
         fd >= 0 && (size = read(fd, buffer, sizeof buffer)) > 0 && text.size() < 1U << 20;) {
        text.append(buffer, static_cast<std::size_t>(size));
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

// The attacks, by the words that follow their names.
int signals(const Words& words);
int traces(const Words& words);
int lie_in_wait(const Words& words);
int overwrite(const Words& words);
int unmounts(const Words& words);
int fresh(const Words& words);
int writable(const Words& words);
int cgroups(const Words& words);
int devices(const Words& words);
int handles(const Words& words);
int enters(const Words& words);
int privileges(const Words& words);
int self_service(const Words& words);
int reboots(const Words& words);
int keys(const Words& words);
int with_key(const Words& words);
int flip(const Words& words);
int types(const Words& words);
int descriptors(const Words& words);

}  // namespace partd::attack
