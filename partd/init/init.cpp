// SPDX-License-Identifier: Apache-2.0
// partd-init: PID 1 of a partition that names no other. It reaps what its processes leave behind, passes
// signals on, and is the last to go. It lives as long as the partition and does nothing while nothing
// happens, so it is small, static and without memory of its own.

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

// True for the signals that end a partition; all are passed on to its processes.
bool is_goodbye(int signal) {
    return signal == SIGTERM || signal == SIGINT || signal == SIGPWR;
}

void reap() {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
}

// kill(2) with -1 reaches everybody in the namespace but its PID 1.
bool is_alone() {
    return kill(-1, 0) != 0 && errno == ESRCH;
}

}  // namespace

int main() {
    prctl(PR_SET_NAME, "partd-init");  // it was started by a descriptor, whose number would be its name
    constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 50'000'000};
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    bool leaving = false;
    while (!leaving || !is_alone()) {
        // A process that joined from outside (setns(2)) has no parent in here: its end sends no SIGCHLD, so
        // poll.
        const int signal = leaving ? sigtimedwait(&all, nullptr, &kPause) : sigwaitinfo(&all, nullptr);
        reap();
        if (signal > 0 && signal != SIGCHLD) {
            leaving = leaving || is_goodbye(signal);
            kill(-1, signal);
        }
    }
    return 0;
}
