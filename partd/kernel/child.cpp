#include "kernel/child.h"

#include "kernel/channel.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

namespace partd::kernel {

namespace {

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
        theirs.send(run_safely(work));
        (void)theirs.receive();  // until the parent lets go, or is gone
        _exit(0);
    }
    theirs.close();
    Result<> result;
    if (auto told = ours.expect(); !told) {
        result = std::unexpected(std::move(told).error());
    } else if (meanwhile) {
        result = meanwhile(child);
    }
    ours.close();
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return result;
}

}  // namespace partd::kernel
