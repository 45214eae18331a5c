// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/endings.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// linux/pidfd.h, of which older headers have less.
struct PidfdInfo {
    std::uint64_t mask = 0;
    std::uint64_t cgroup = 0;
    std::uint32_t ids[11] = {};
    std::int32_t exit_code = 0;
};
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr std::uint64_t kExit = 1U << 3U;

// Of one whose parent has not heard of it yet: proc_pid_stat(5), field 52.
std::optional<int> status_of_zombie(pid_t pid) {
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
    const auto fields = words(std::string_view(stat).substr(std::min(stat.size(), stat.rfind(')') + 1)));
    constexpr std::size_t kExitCode = 52 - 3;  // the first one behind the name is field 3
    const bool zombie = fields.size() > kExitCode && fields[0] == "Z";
    const auto code = zombie ? parse_number(fields[kExitCode]) : std::nullopt;
    return code ? std::optional(static_cast<int>(*code)) : std::nullopt;
}

bool has_ended(const Fd& process) {
    pollfd polled{.fd = process.get(), .events = POLLIN, .revents = 0};
    return poll(&polled, 1, 0) > 0;
}

}  // namespace

std::string end_text(int status) {
    if (WIFSIGNALED(status)) {
        const char* name = sigabbrev_np(WTERMSIG(status));
        return fmt::format("it was killed by SIG{}",
                           name == nullptr ? std::to_string(WTERMSIG(status)) : name);
    }
    return fmt::format("it exited with status {}", WEXITSTATUS(status));
}

void Terminations::watch(const std::string& name, pid_t process) {
    Watched& watched = watched_[name];
    if (watched.pid == process && watched.process && !has_ended(watched.process)) {
        return;
    }
    watched = {process, Fd(static_cast<int>(syscall(SYS_pidfd_open, process, 0)))};
}

std::string Terminations::how(const std::string& name) const {
    const auto watched = watched_.find(name);
    if (watched == watched_.end() || !watched->second.process || !has_ended(watched->second.process)) {
        return "";
    }
    // The pidfd tells it when the parent has heard of it.
    constexpr int kMostGlances = 20;
    constexpr useconds_t kPause = 1000;
    for (int glance = 0; glance < kMostGlances; ++glance) {
        if (const auto status = status_of_zombie(watched->second.pid)) {
            return end_text(*status);
        }
        PidfdInfo info{.mask = kExit};
        if (ioctl(watched->second.process.get(), kGetInfo, &info) != 0) {
            return "";
        }
        if ((info.mask & kExit) != 0) {
            return end_text(info.exit_code);
        }
        usleep(kPause);
    }
    return "";
}

}  // namespace partd::kernel
