// SPDX-License-Identifier: Apache-2.0
#include "kernel/child/stopped.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/file/files.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include <fmt/format.h>

namespace partd::kernel {

bool ends_when_stopped(pid_t child) {
    siginfo_t found{};
    const bool stopped =
        waitid(P_PID, static_cast<id_t>(child), &found, WSTOPPED | WNOHANG) == 0 && found.si_pid == child;
    if (stopped) {
        kill(child, SIGKILL);
    }
    return stopped;
}

std::function<bool()> ends_child_when_stopped(pid_t parent) {
    const std::string text = read_file(fmt::format("/proc/{}/task/{}/children", parent, parent)).value_or("");
    const auto children = words(text);
    const auto pid = children.size() == 1 ? parse_number(children.front()) : std::nullopt;
    if (!pid) {
        return {};
    }
    const auto child =
        std::make_shared<const Fd>(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(*pid), 0)));
    return [pid = *pid, child] {
        const std::string stat = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
        const auto name_end = stat.rfind(") ");
        // By the descriptor: the number may be another process's by now.
        return name_end != std::string::npos && stat.compare(name_end, 3, ") T") == 0 &&
               syscall(SYS_pidfd_send_signal, child->get(), SIGKILL, nullptr, 0) == 0;
    };
}

}  // namespace partd::kernel
