// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/processes.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace partd::kernel {

Result<std::vector<pid_t>> all_processes() {
    const auto names = list_directory("/proc");
    PARTD_TRY(names);
    std::vector<pid_t> pids;
    for (const std::string& name : *names) {
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

// The number behind a key in a file of lines "key: number".
std::uint64_t number_at(const std::string& text, std::string_view key) {
    const std::size_t at = text.find(key);
    return at == std::string::npos ? 0
                                   : parse_number(trim(std::string_view(text)
                                                           .substr(at + key.size())
                                                           .substr(0, text.find('\n', at) - at - key.size())))
                                         .value_or(0);
}

}  // namespace

std::string command_of(pid_t pid) {
    std::string line = read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("");
    std::ranges::replace(line, '\0', ' ');
    if (!trim(line).empty()) {
        return std::string(trim(line));
    }
    return fmt::format("[{}]", trim(read_file(fmt::format("/proc/{}/comm", pid)).value_or("?")));
}

ProcessUse use_of(pid_t pid) {
    ProcessUse use;
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
    // The name in brackets may hold anything, brackets too.
    const std::size_t name_end = stat.rfind(')');
    const auto fields = words(name_end == std::string::npos ? std::string_view()
                                                            : std::string_view(stat).substr(name_end + 1));
    constexpr std::size_t kUserTime = 11;  // counted from the state, which follows the name
    constexpr std::size_t kPages = 21;
    if (fields.size() > kPages) {
        const auto number = [&](std::size_t i) { return parse_number(fields[i]).value_or(0); };
        use.cpu_seconds = static_cast<double>(number(kUserTime) + number(kUserTime + 1)) /
                          static_cast<double>(sysconf(_SC_CLK_TCK));
        use.memory = number(kPages) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    }
    const std::string io = read_file(fmt::format("/proc/{}/io", pid)).value_or("");
    use.read = number_at(io, "\nread_bytes:");
    use.written = number_at(io, "\nwrite_bytes:");
    return use;
}

Result<std::vector<Process>> list_processes() {
    const auto pids = all_processes();
    PARTD_TRY(pids);
    std::vector<Process> processes;
    for (const pid_t pid : *pids) {
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

Result<std::multimap<ino_t, pid_t>> processes_by_namespace(std::span<const NamespaceType> types) {
    const auto pids = all_processes();
    PARTD_TRY(pids);
    std::multimap<ino_t, pid_t> found;
    for (const pid_t pid : *pids) {
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

std::size_t signal_all(const std::map<pid_t, Fd>& alive, int signal) {
    std::size_t reached = 0;
    for (const auto& [pid, fd] : alive) {
        reached += syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) == 0 ? 1 : 0;
    }
    return reached;
}

Result<std::map<pid_t, Fd>> hold(const std::set<pid_t>& pids, const Meant& meant) {
    std::map<pid_t, Fd> held;
    for (const pid_t pid : pids) {
        if (Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); fd) {
            held.emplace(pid, std::move(fd));
        }
    }
    if (held.empty()) {
        return held;
    }
    const auto still = meant(pids);
    PARTD_TRY(still);
    std::erase_if(held, [&](const auto& entry) { return !still->contains(entry.first); });
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

std::string describe(const std::set<pid_t>& pids) {
    constexpr std::size_t kShown = 5;
    std::vector<std::string> texts;
    for (const pid_t pid : pids) {
        if (texts.size() < kShown) {
            texts.push_back(std::to_string(pid));
        }
    }
    return fmt::format("{} {}{}", pids.size() == 1 ? "process" : "processes", partd::join(texts, ", "),
                       pids.size() > kShown ? ", …" : "");
}

bool lives_in(pid_t pid, NamespaceType type, ino_t inode) {
    return namespace_of(pid, type) == inode;
}

Meant inhabitants(NamespaceType type, ino_t inode) {
    return [type, inode](std::set<pid_t> pids) {
        std::erase_if(pids, [&](pid_t pid) { return !lives_in(pid, type, inode); });
        return Result<std::set<pid_t>>(std::move(pids));
    };
}

Result<std::size_t> signal_processes(const std::set<pid_t>& pids, const Meant& meant, int signal) {
    const auto held = hold(pids, meant);
    PARTD_TRY(held);
    return signal_all(*held, signal);
}

namespace {

// The words behind that key of /proc/PID/status.
std::vector<std::string_view> values_of(std::string_view status, std::string_view key) {
    for (const std::string_view line : split(status, '\n')) {
        if (line.starts_with(key)) {
            return words(line.substr(key.size()));
        }
    }
    return {};
}

}  // namespace

std::uint64_t signal_set(std::string_view status, std::string_view key) {
    const auto values = values_of(status, key);
    return values.empty() ? 0 : parse_number(values.front(), 16).value_or(0);
}

namespace {

constexpr std::uint64_t bit_of(int signal) {
    return std::uint64_t{1} << static_cast<unsigned>(signal - 1);
}

// PID 1 of a pid namespace does not hear what it has no handler for (pid_namespaces(7)). `told`: it may have
// been asked by another signal than SIGTERM, and be on its way.
bool is_deaf_init(pid_t pid, bool told) {
    constexpr std::uint64_t kRealTime = ~std::uint64_t{0} << 33U;
    constexpr std::uint64_t kAsks = bit_of(SIGTERM) | bit_of(SIGINT) | bit_of(SIGQUIT) | bit_of(SIGHUP) |
                                    bit_of(SIGUSR1) | bit_of(SIGUSR2) | bit_of(SIGPWR) | kRealTime;
    const std::uint64_t asks = told ? kAsks : bit_of(SIGTERM);
    const std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
    const auto pids = values_of(status, "NSpid:");
    const std::uint64_t handled = signal_set(status, "SigCgt:") | signal_set(status, "SigBlk:");
    return pids.size() > 1 && pids.back() == "1" && (handled & asks) == 0;
}

// One set of processes on its way out.
struct Departure {
    std::map<pid_t, Fd> alive;
    std::set<pid_t> deaf;
    std::set<pid_t> unknown;  // nothing is done to them
    Clock::time_point deadline;
    bool killed = false;

    [[nodiscard]] bool only_deaf() const {
        return std::ranges::all_of(alive, [&](const auto& entry) { return deaf.contains(entry.first); });
    }
    // Goes on to SIGKILL when the time is over or nobody is left who could hear.
    void push(Clock::time_point now) {
        constexpr std::chrono::seconds kLast{2};
        if (!killed && !alive.empty() && (now >= deadline || only_deaf())) {
            signal_all(alive, SIGKILL);
            killed = true;
            deadline = now + kLast;
        }
    }
    [[nodiscard]] bool over(Clock::time_point now) const {
        return alive.empty() || (killed && now >= deadline);
    }
};

// Waits until one of them ends, or until then; takes those that ended out.
void wait_for_any(std::vector<Departure>& departures, Clock::time_point until) {
    std::vector<pollfd> polled;
    for (const Departure& departure : departures) {
        for (const auto& [pid, fd] : departure.alive) {
            polled.push_back({.fd = fd.get(), .events = POLLIN, .revents = 0});
        }
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (poll(polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0) {
        return;
    }
    std::size_t i = 0;
    for (Departure& departure : departures) {
        std::erase_if(departure.alive, [&](const auto&) { return polled[i++].revents != 0; });
    }
}

}  // namespace

std::vector<std::set<pid_t>> end_processes(std::span<const Termination> endings,
                                           std::optional<std::chrono::milliseconds> most) {
    const auto enough = most ? Clock::now() + *most : Clock::time_point::max();
    std::vector<Departure> departures;
    for (const Termination& ending : endings) {
        Departure& departure = departures.emplace_back();
        if (auto held = hold(ending.pids, ending.meant)) {
            departure.alive = std::move(*held);
        } else {
            departure.unknown = ending.pids;
        }
        std::ranges::copy_if(ending.pids, std::inserter(departure.deaf, departure.deaf.end()),
                             [&](pid_t pid) { return is_deaf_init(pid, ending.told); });
        departure.deadline = Clock::now() + ending.patience;
        if (!ending.told) {
            signal_all(departure.alive, SIGTERM);
            signal_all(departure.alive, SIGCONT);
        }
    }
    while (true) {
        auto next = Clock::time_point::max();
        for (Departure& departure : departures) {
            departure.push(Clock::now());
            if (!departure.over(Clock::now())) {
                next = std::min(next, departure.deadline);
            }
        }
        const bool killing = std::ranges::any_of(departures, &Departure::killed);
        if (next == Clock::time_point::max() || (!killing && Clock::now() >= enough)) {
            break;
        }
        wait_for_any(departures, killing ? next : std::min(next, enough));
    }
    std::vector<std::set<pid_t>> left;
    for (const Departure& departure : departures) {
        auto& pids = left.emplace_back(departure.unknown);
        std::ranges::transform(departure.alive, std::inserter(pids, pids.end()),
                               [](const auto& entry) { return entry.first; });
    }
    return left;
}

}  // namespace partd::kernel
