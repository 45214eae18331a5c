// SPDX-License-Identifier: Apache-2.0
#include "kernel/child/bounded.h"

#include "base/text.h"
#include "kernel/child/child.h"
#include "kernel/file/files.h"
#include "kernel/file/own_files.h"

#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

namespace partd::kernel {

namespace {

constexpr int kDone = 0;
constexpr int kNoBounds = 1;
constexpr int kBeyond = 2;

void limit(int what, rlim_t most, bool& limited) {
    const rlimit both{.rlim_cur = most, .rlim_max = most};
    limited &= prlimit(0, static_cast<__rlimit_resource>(what), &both, nullptr) == 0;
}

// "size resident …" in pages (proc_pid_statm(5)).
rlim_t size_in_memory() {
    constexpr std::size_t kSmall = 4096;
    const std::string text = read_file("/proc/self/statm", kSmall).value_or("");
    const auto fields = words(text);
    const auto pages = fields.empty() ? std::nullopt : parse_number(fields.front());
    return pages.value_or(0) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

bool become_nobody() {
    constexpr id_t kNobody = 65534;
    return setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
           setresuid(kNobody, kNobody, kNobody) == 0;
}

// Memory counts beyond what a fork shares with its parent. When the host runs out of it, this process goes
// first.
bool bind_to(const Bounds& bounds) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    bool bound = true;
    limit(RLIMIT_AS, size_in_memory() + bounds.memory, bound);
    limit(RLIMIT_CPU, static_cast<rlim_t>(bounds.time.count()), bound);
    limit(RLIMIT_FSIZE, bounds.answer, bound);
    limit(RLIMIT_CORE, 0, bound);
    (void)write_kernel_file("/proc/self/oom_score_adj", "1000");
    constexpr int kLater = 10;
    (void)setpriority(PRIO_PROCESS, 0, kLater);
    bound &= bounds.needs_rights || become_nobody();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a change of the user takes it away
    return bound;
}

// Descriptors that came along are its parent's matter; the three streams stay.
void close_all_but(int kept) {
    constexpr unsigned kFirst = 3;
    const auto at = static_cast<unsigned>(kept);
    if (at > kFirst) {
        (void)close_range(kFirst, at - 1, 0);
    }
    (void)close_range(at + 1, ~0U, 0);
}

[[noreturn]] void run(const Bounds& bounds, const std::function<std::string()>& work, int answer) {
    int code = kNoBounds;
    close_all_but(answer);
    try {
        if (bind_to(bounds)) {
            code = write_all(answer, work()) ? kDone : kBeyond;
        }
    } catch (const std::exception&) {
        code = kBeyond;
    }
    _exit(code);
}

}  // namespace

Result<BoundedWork> BoundedWork::start(const Bounds& bounds, const std::function<std::string()>& work) {
    Fd answer(memfd_create("answer", MFD_CLOEXEC));
    if (!answer) {
        return fail_errno("make a file in memory");
    }
    const pid_t pid = fork();
    if (pid < 0) {
        return fail_errno("fork");
    }
    if (pid == 0) {
        run(bounds, work, answer.get());
    }
    BoundedWork started(pid, Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))), std::move(answer));
    if (!started.process_) {
        return fail_errno("watch a process");
    }
    return started;
}

BoundedWork::BoundedWork(BoundedWork&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      process_(std::move(other.process_)),
      answer_(std::move(other.answer_)) {}

BoundedWork::~BoundedWork() {
    if (pid_ != 0) {
        end_child(pid_);
    }
}

void BoundedWork::stop() const {
    kill(pid_, SIGKILL);
}

Result<std::string> BoundedWork::answer() {
    const pid_t pid = std::exchange(pid_, 0);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) == kBeyond) {
        return fail("it takes too much memory or time");
    }
    if (WEXITSTATUS(status) != kDone) {
        return fail("a process could not be given its bounds");
    }
    constexpr std::size_t kMost = std::size_t{256} << 20;
    if (lseek(answer_.get(), 0, SEEK_SET) != 0) {
        return fail_errno("read an answer");
    }
    return read_fd(answer_.get(), kMost);
}

}  // namespace partd::kernel
