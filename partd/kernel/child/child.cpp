// SPDX-License-Identifier: Apache-2.0
#include "kernel/child/child.h"

#include "kernel/child/stopped.h"
#include "kernel/file/lock.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

namespace partd::kernel {

namespace {

// Longer than mounting anything takes.
constexpr std::chrono::seconds kEnterPatience{60};

Result<> run_safely(const std::function<Result<>()>& work) {
    try {
        return work();
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}

}  // namespace

void end_child(pid_t pid) {
    static std::vector<pid_t> astray;
    std::erase_if(astray, [](pid_t each) { return waitpid(each, nullptr, WNOHANG) != 0; });
    kill(pid, SIGKILL);
    constexpr int kLongest = 1000;  // milliseconds
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    pollfd polled{.fd = process.get(), .events = POLLIN, .revents = 0};
    while (process && poll(&polled, 1, kLongest) < 0 && errno == EINTR) {
    }
    if (waitpid(pid, nullptr, WNOHANG) == 0) {
        astray.push_back(pid);
    }
}

Result<Child> Child::start(const VerbContext& work, const VerbContext& report) {
    auto channel = Channel::open();
    PARTD_TRY(channel);
    auto& [ours, theirs] = *channel;
    const pid_t child = fork();
    if (child < 0) {
        return fail_errno("fork");
    }
    if (child == 0) {
        ours.close();
        let_go_of_locks();
        // A process of the host that enters a partition is nobody's to trace there.
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        auto done = run_safely(work);
        theirs.send(done);
        if (done && report) {
            theirs.send(run_safely(report));
        }
        (void)theirs.receive();  // until the parent lets go, or is gone
        _exit(0);
    }
    ours.set_patience(kEnterPatience, [child] { return ends_when_stopped(child); });
    return Child(child, std::move(ours));
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), channel_(std::move(other.channel_)) {}

Child::~Child() {
    if (pid_ == 0) {
        return;
    }
    channel_.close();
    end_child(pid_);
}

namespace {

// True of a child that SIGKILL has ended; its status is kept for end_child(). A process closes its end of the
// channel a moment before it can be waited for.
bool was_killed(pid_t child) {
    constexpr int kMostGlances = 100;
    constexpr useconds_t kPause = 1000;
    for (int glance = 0; glance < kMostGlances; ++glance) {
        siginfo_t info{};
        if (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            return false;
        }
        if (info.si_pid != 0) {
            return info.si_code == CLD_KILLED && info.si_status == SIGKILL;
        }
        usleep(kPause);
    }
    return false;
}

}  // namespace

Result<> Child::result() {
    auto answer = channel_.expect();
    if (!answer && answer.error().code == ECHILD && was_killed(pid_)) {
        answer.error().message +=
            ": it was killed by SIGKILL, as the kernel does in a control group whose memory "
            "is used up: raise memory.max";
    }
    PARTD_TRY(answer);
    return {};
}

std::optional<Result<>> Child::report() {
    auto message = channel_.receive();
    return message ? std::optional(std::move(message->result)) : std::nullopt;
}

Result<> in_child(const std::function<Result<>()>& work,
                  const std::function<Result<>(pid_t child)>& meanwhile) {
    auto child = Child::start(work);
    PARTD_TRY(child);
    PARTD_TRY(child->result());
    return meanwhile ? meanwhile(child->pid()) : Result<>();
}

void end_astray(const char* kind) {
    constexpr int kFailed = 6;
    const std::string reason = errno_text(errno);
    dprintf(STDERR_FILENO, "partd: cannot go back to the host's %s namespace: %s: ends, run it again\n", kind,
            reason.c_str());
    _exit(kFailed);
}

}  // namespace partd::kernel
