// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/circumstances.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <linux/mempolicy.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

namespace partd::kernel {

namespace {

constexpr pid_t kHostInit = 1;

void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

// A manager of services raises its own bounds above what it gives others: these are the usual ones
// (systemd-system.conf(5), DefaultLimitNOFILE=, DefaultLimitMEMLOCK=).
rlimit usual(int resource, rlimit of_init, const rlimit& own) {
    constexpr rlim_t kDescriptors = 524'288;
    constexpr rlim_t kLocked = 8U << 20U;
    if (resource == RLIMIT_NOFILE) {
        of_init.rlim_max = std::min(of_init.rlim_max, kDescriptors);
        of_init.rlim_cur = std::min(of_init.rlim_max, own.rlim_cur);  // limit_descriptors() comes later
    } else if (resource == RLIMIT_MEMLOCK) {
        of_init.rlim_max = std::min(of_init.rlim_max, kLocked);
        of_init.rlim_cur = std::min(of_init.rlim_cur, of_init.rlim_max);
    }
    return of_init;
}

// Without CAP_SYS_RESOURCE what the caller gave away stays away.
void reset_bounds() {
    for (int resource = 0; resource < static_cast<int>(RLIMIT_NLIMITS); ++resource) {
        rlimit wanted{};
        rlimit own{};
        const auto which = static_cast<__rlimit_resource>(resource);
        if (prlimit(kHostInit, which, nullptr, &wanted) != 0 || getrlimit(which, &own) != 0) {
            continue;
        }
        wanted = usual(resource, wanted, own);
        if (setrlimit(which, &wanted) != 0) {
            wanted.rlim_max = std::min(wanted.rlim_max, own.rlim_max);
            wanted.rlim_cur = std::min(wanted.rlim_cur, wanted.rlim_max);
            (void)setrlimit(which, &wanted);
        }
    }
}

// The processors of PID 1, which may keep off some (isolcpus=); all where its control group has none of them.
void reset_processors() {
    constexpr std::size_t kMost = 8192;
    std::array<unsigned char, kMost / 8> mask{};
    const long size = syscall(SYS_sched_getaffinity, kHostInit, mask.size(), mask.data());
    if (size > 0 && syscall(SYS_sched_setaffinity, 0, static_cast<std::size_t>(size), mask.data()) == 0) {
        return;
    }
    mask.fill(0xff);
    syscall(SYS_sched_setaffinity, 0, mask.size(), mask.data());
}

void reset_scheduling() {
    const sched_param plain{};
    (void)sched_setscheduler(0, SCHED_OTHER, &plain);
    (void)setpriority(PRIO_PROCESS, 0, 0);
    // ioprio_set(2). Numbers, because <linux/ioprio.h> of Linux 6.5 is not valid C++.
    constexpr int kOneProcess = 1;  // IOPRIO_WHO_PROCESS
    constexpr int kNoClass = 0;     // IOPRIO_CLASS_NONE, level 0
    syscall(SYS_ioprio_set, kOneProcess, 0, kNoClass);
    syscall(SYS_set_mempolicy, MPOL_DEFAULT, nullptr, 0);
    prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0);
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

// The value of a line of /proc/PID/status.
std::string status_of(const char* process, std::string_view key) {
    const std::string text = read_file(std::string("/proc/") + process + "/status").value_or("");
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with(key)) {
            return std::string(trim(line.substr(key.size())));
        }
    }
    return {};
}

Result<> check_what_stays() {
    const auto differs = [](std::string_view key) {
        const std::string own = status_of("self", key);
        return own != "0" && !own.empty() && status_of("1", key) == "0";
    };
    if (differs("NoNewPrivs:")) {
        return fail(
            "this program runs with no_new_privs (setpriv --no-new-privs, NoNewPrivileges=), which the "
            "partition's PID 1 would keep for ever: run it without");
    }
    if (differs("Seccomp:")) {
        return fail(
            "this program runs behind a filter of system calls (seccomp, SystemCallFilter=), which the "
            "partition's PID 1 would keep for ever: run it without");
    }
    return {};
}

Result<> reset_security() {
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != SECUREBITS_DEFAULT &&
        prctl(PR_SET_SECUREBITS, SECUREBITS_DEFAULT, 0, 0, 0) != 0) {
        return fail_errno(
            "this program runs with locked security bits (setpriv --securebits, SecureBits=), which the "
            "partition's PID 1 would keep: take them back");
    }
    return {};
}

}  // namespace

Result<> forget_circumstances() {
    PARTD_TRY(check_what_stays());
    PARTD_TRY(reset_security());
    reset_signals();
    reset_bounds();
    reset_scheduling();
    reset_processors();
    personality(PER_LINUX);
    (void)write_kernel_file("/proc/self/oom_score_adj", "0");
    const auto dumped = read_file("/proc/1/coredump_filter");
    if (dumped) {
        (void)write_kernel_file("/proc/self/coredump_filter", "0x" + std::string(trim(*dumped)));
    }
    return {};
}

void limit_descriptors() {
    constexpr rlim_t kDescriptors = 1024;  // programs that use select(2) break with more
    rlimit descriptors{};
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = std::min(descriptors.rlim_max, kDescriptors);
        setrlimit(RLIMIT_NOFILE, &descriptors);
    }
}

}  // namespace partd::kernel
