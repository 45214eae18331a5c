#include "kernel/processes.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/files.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

namespace partd::kernel {

std::vector<pid_t> all_processes() {
    std::vector<pid_t> pids;
    for (const std::string& name : list_directory("/proc").value_or(std::vector<std::string>())) {
        if (const auto pid = parse_number(name)) {
            pids.push_back(static_cast<pid_t>(*pid));
        }
    }
    std::ranges::sort(pids);
    return pids;
}

namespace {

std::optional<ino_t> namespace_of(pid_t pid, NamespaceType type) {
    struct stat st{};
    if (stat(fmt::format("/proc/{}/ns/{}", pid, namespace_name(type)).c_str(), &st) != 0) {
        return std::nullopt;
    }
    return st.st_ino;
}

std::string command_of(pid_t pid) {
    std::string line = read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("");
    std::ranges::replace(line, '\0', ' ');
    if (!trim(line).empty()) {
        return std::string(trim(line));
    }
    return fmt::format("[{}]", trim(read_file(fmt::format("/proc/{}/comm", pid)).value_or("?")));
}

}  // namespace

std::vector<Process> list_processes() {
    std::vector<Process> processes;
    for (const pid_t pid : all_processes()) {
        struct stat st{};
        if (stat(fmt::format("/proc/{}", pid).c_str(), &st) != 0) {
            continue;
        }
        Process process{.pid = pid, .uid = st.st_uid, .command = command_of(pid), .namespaces = {}};
        for (const NamespaceType type : kNamespaceTypes) {
            if (const auto inode = namespace_of(pid, type)) {
                process.namespaces.push_back({type, *inode});
            }
        }
        processes.push_back(std::move(process));
    }
    return processes;
}

std::multimap<ino_t, pid_t> processes_by_namespace(std::span<const NamespaceType> types) {
    std::multimap<ino_t, pid_t> found;
    for (const pid_t pid : all_processes()) {
        for (const NamespaceType type : types) {
            if (const auto inode = namespace_of(pid, type)) {
                found.emplace(*inode, pid);
            }
        }
    }
    return found;
}

namespace {

using Clock = std::chrono::steady_clock;

// Waits until all have ended or the time is over; takes those that ended out.
void wait_for_end(std::map<pid_t, Fd>& alive, Clock::time_point until) {
    while (!alive.empty()) {
        std::vector<pollfd> polled;
        for (const auto& [pid, fd] : alive) {
            polled.push_back({.fd = fd.get(), .events = POLLIN, .revents = 0});
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
        if (poll(polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <=
            0) {
            return;
        }
        std::size_t i = 0;
        std::erase_if(alive, [&](const auto&) { return polled[i++].revents != 0; });
    }
}

std::size_t signal_all(const std::map<pid_t, Fd>& alive, int signal) {
    std::size_t reached = 0;
    for (const auto& [pid, fd] : alive) {
        reached += syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) == 0 ? 1 : 0;
    }
    return reached;
}

std::map<pid_t, Fd> hold(const std::set<pid_t>& pids) {
    std::map<pid_t, Fd> held;
    for (const pid_t pid : pids) {
        if (Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); fd) {
            held.emplace(pid, std::move(fd));
        }
    }
    return held;
}

}  // namespace

std::optional<int> signal_number(std::string_view text) {
    const std::string_view name = text.starts_with("SIG") ? text.substr(3) : text;
    for (int signal = 1; signal < NSIG; ++signal) {
        const char* abbreviation = sigabbrev_np(signal);
        if (text == std::to_string(signal) || (abbreviation != nullptr && name == abbreviation)) {
            return signal;
        }
    }
    return std::nullopt;
}

std::size_t signal_processes(const std::set<pid_t>& pids, int signal) {
    return signal_all(hold(pids), signal);
}

std::set<pid_t> end_processes(const std::set<pid_t>& pids, std::chrono::milliseconds patience) {
    auto alive = hold(pids);
    signal_all(alive, SIGTERM);
    signal_all(alive, SIGCONT);
    wait_for_end(alive, Clock::now() + patience);
    signal_all(alive, SIGKILL);
    wait_for_end(alive, Clock::now() + std::chrono::seconds(2));
    std::set<pid_t> left;
    for (const auto& [pid, fd] : alive) {
        left.insert(pid);
    }
    return left;
}

}  // namespace partd::kernel
