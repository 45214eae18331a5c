// SPDX-License-Identifier: Apache-2.0
#include "message.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>

namespace bench {

namespace {

constexpr std::int64_t kPatience = 120'000'000'000;  // ns

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Links that left, in what waits in the socket.
int count_gone(int fd) {
    alignas(nlmsghdr) static std::array<char, 65536> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    require(got > 0, "hear of links");
    int gone = 0;
    auto left = static_cast<std::uint32_t>(got);
    for (const auto* h = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
        // A bridge tells of a port that left it in the same words, for its own family.
        gone += h->nlmsg_type == RTM_DELLINK &&
                static_cast<const ifinfomsg*>(NLMSG_DATA(h))->ifi_family == AF_UNSPEC;
    }
    return gone;
}

[[noreturn]] void become(char** command) {
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(nothing, STDOUT_FILENO);
    ::execvp(command[0], command);
    ::perror(command[0]);
    ::_exit(127);
}

}  // namespace

std::int64_t wait_gone(int fd, int wanted) {
    const std::int64_t until = now() + kPatience;
    for (int gone = 0; gone < wanted;) {
        pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
        const std::int64_t left = until - now();
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left / 1'000'000)) <= 0) {
            return -1;
        }
        gone += count_gone(fd);
    }
    return now();
}

int run(int argc, char** argv) {
    if (argc < 3) {
        return 2;
    }
    const int report = ::atoi(argv[0]);
    require(::fcntl(report, F_SETFD, FD_CLOEXEC) == 0, "the report's descriptor");
    const int wanted = ::atoi(argv[1]);
    const int links = wanted > 0 ? listen_to_links(false) : -1;
    const std::int64_t start = now();
    const pid_t pid = ::fork();
    require(pid >= 0, "fork");
    if (pid == 0) {
        become(argv + 2);
    }
    int status = 0;
    rusage used = {};
    require(::wait4(pid, &status, 0, &used) == pid, "wait4");
    const std::int64_t end = now();
    const std::int64_t gone = wanted > 0 ? wait_gone(links, wanted) : 0;
    std::array<char, 32> gone_text = {};
    if (gone > 0) {
        ::snprintf(gone_text.data(), gone_text.size(), "%.6f", static_cast<double>(gone - start) / 1e9);
    } else {
        ::strcpy(gone_text.data(), "null");
    }
    ::dprintf(
        report,
        "{\"wall\": %.6f, \"user\": %.6f, \"system\": %.6f, \"rss\": %ld, \"code\": %d, \"gone\": %s}\n",
        static_cast<double>(end - start) / 1e9, seconds(used.ru_utime), seconds(used.ru_stime),
        used.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), gone_text.data());
    return 0;
}

}  // namespace bench
