#include "kernel/child.h"

#include "kernel/channel.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>

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

Result<> in_child(const std::function<Result<>()>& work,
                  const std::function<Result<>(pid_t child)>& meanwhile) {
    auto channel = Channel::open();
    PARTD_TRY(channel);
    auto& [ours, theirs] = *channel;
    const pid_t child = fork();
    if (child < 0) {
        return fail_errno("fork");
    }
    if (child == 0) {
        ours.close();
        // A process of the host that enters a partition is nobody's to trace there.
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        theirs.send(run_safely(work));
        (void)theirs.receive();  // until the parent lets go, or is gone
        _exit(0);
    }
    theirs.close();
    ours.set_patience(kEnterPatience);
    Result<> result;
    if (auto told = ours.expect(); !told) {
        result = std::unexpected(std::move(told).error());
    } else if (meanwhile) {
        result = meanwhile(child);
    }
    ours.close();
    // It only waits now, or it was stopped by somebody inside.
    kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return result;
}

void end_astray(const char* kind) {
    constexpr int kFailed = 6;
    const std::string reason = errno_text(errno);
    dprintf(STDERR_FILENO, "partd: cannot go back to the host's %s namespace: %s: ends, run it again\n", kind,
            reason.c_str());
    _exit(kFailed);
}

}  // namespace partd::kernel
