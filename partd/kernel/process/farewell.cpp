// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/farewell.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/file/files.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// The fields of /proc/PID/stat from the state on: the name before it may hold anything, brackets too.
std::vector<std::string> stat_fields(pid_t pid) {
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
    const auto fields = words(std::string_view(stat).substr(std::min(stat.size(), stat.rfind(')') + 1)));
    return {fields.begin(), fields.end()};
}

// True if a set of signals of /proc/PID/status has that one.
bool has_signal(pid_t pid, std::string_view key, int signal) {
    const std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
    return (signal_set(status, key) >> static_cast<unsigned>(signal - 1) & 1U) != 0;
}

// True if nothing keeps it from ending: SIGKILL waits for it, or it exits (PF_EXITING in proc_pid_stat(5)).
bool is_dying(pid_t pid) {
    constexpr std::uint64_t kExiting = 4;
    constexpr std::size_t kFlags = 6;
    const auto fields = stat_fields(pid);
    return (fields.size() > kFlags &&
            (fields[0] == "Z" || (parse_number(fields[kFlags]).value_or(0) & kExiting) != 0)) ||
           has_signal(pid, "SigPnd:", SIGKILL) || has_signal(pid, "ShdPnd:", SIGKILL);
}

}  // namespace

std::optional<int> stop_signal_number(std::string_view text) {
    const std::string_view name = text.starts_with("SIG") ? text.substr(3) : text;
    constexpr std::string_view kRealTime = "RTMIN+";
    if (!name.starts_with(kRealTime)) {
        return signal_number(text);
    }
    const auto offset = parse_number(name.substr(kRealTime.size()));
    const auto most = static_cast<std::uint64_t>(SIGRTMAX - SIGRTMIN);
    return offset && *offset <= most ? std::optional(SIGRTMIN + static_cast<int>(*offset)) : std::nullopt;
}

Result<> ask_to_end(const std::set<pid_t>& pids, const Meant& meant, pid_t init, int signal) {
    const auto its = Namespace::of_process(init, NamespaceType::Pid);
    PARTD_TRY(its);
    std::set<pid_t> outside = pids;
    std::erase_if(outside,
                  [&](pid_t pid) { return pid == init || lives_in(pid, NamespaceType::Pid, its->inode()); });
    PARTD_TRY(signal_processes(outside, meant, SIGTERM));
    PARTD_TRY(signal_processes({init}, meant, signal));
    PARTD_TRY(signal_processes(pids, meant, SIGCONT));
    return {};
}

bool hears(pid_t init, int signal) {
    return has_signal(init, "SigCgt:", signal) || has_signal(init, "SigBlk:", signal);
}

void await_dying(std::set<pid_t>& pids, std::chrono::milliseconds most) {
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + most;
    std::map<pid_t, Fd> dying;
    for (const pid_t pid : std::set(pids)) {
        Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
        if (!fd && errno == ESRCH) {
            pids.erase(pid);
        } else if (fd && is_dying(pid)) {
            dying.emplace(pid, std::move(fd));
        }
    }
    for (const auto& [pid, fd] : dying) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        pollfd polled{.fd = fd.get(), .events = POLLIN, .revents = 0};
        if (poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) > 0) {
            pids.erase(pid);
        }
    }
}

std::optional<std::chrono::system_clock::time_point> start_of(pid_t pid) {
    constexpr std::size_t kStart = 19;  // in ticks since the boot
    const auto fields = stat_fields(pid);
    timespec now{};
    if (fields.size() <= kStart || clock_gettime(CLOCK_BOOTTIME, &now) != 0) {
        return std::nullopt;
    }
    const std::chrono::duration<double> started(
        static_cast<double>(parse_number(fields[kStart]).value_or(0)) /
        static_cast<double>(sysconf(_SC_CLK_TCK)));
    using Clock = std::chrono::system_clock;
    const auto age = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec) - started;
    return Clock::now() - std::chrono::duration_cast<Clock::duration>(age);
}

}  // namespace partd::kernel
