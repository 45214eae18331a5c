// SPDX-License-Identifier: Apache-2.0
// Linked into the programs of the coverage build: what a process has counted is written also where it ends by
// _exit(2), or by a parent that kills the child that it has made for a piece of work.

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern "C" {

// gcc's names: gcov's own (GCC manual, "Profiling and Test Coverage in Freestanding Environments"), and those
// of ld's --wrap.
void __gcov_dump();
[[noreturn]] void __real__exit(int code);
int __real_kill(pid_t pid, int signal);

[[noreturn]] void __wrap__exit(int code) {
    __gcov_dump();
    __real__exit(code);
}

int __wrap_kill(pid_t pid, int signal) {
    // Such a child ends by itself when its parent lets go; half a second is time enough to write files.
    for (int time = 0; signal == SIGKILL && pid > 0 && time < 50; ++time) {
        siginfo_t ended{};
        if (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            ended.si_pid == pid) {
            break;
        }
        constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 10'000'000};
        nanosleep(&kPause, nullptr);
    }
    return __real_kill(pid, signal);
}
}
