// SPDX-License-Identifier: Apache-2.0
#include "tracer.h"

#include "../kernel/support/process.h"

#include <fcntl.h>
#include <linux/ptrace.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>

namespace partd::fault {
namespace {

using test::require_call;

constexpr int kSyscallStop = SIGTRAP | 0x80;
constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                          PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

long request(int what, pid_t process, std::uintptr_t address = 0, std::uintptr_t data = 0) {
    return ::syscall(SYS_ptrace, what, process, address, data);
}

volatile std::sig_atomic_t time_is_over = 0;

/// One traced process, between the entry of a call and its end.
struct Tracee {
    Entry entry;
    bool fails = false;    ///< the call that is not made
    bool refuses = false;  ///< the call with the spoilt message
    bool dies = false;     ///< at the end of this call
    bool main_dies = false;
};

class Tracer {
public:
    Tracer(pid_t program, const Injection& injection) : main_(program), injection_(injection) {}

    /// Until the program has ended and `beside`, if it is one, too.
    void run(pid_t beside) {
        bool beside_runs = beside > 0;
        while (!ended_ || beside_runs) {
            int status = 0;
            const pid_t pid = ::waitpid(-1, &status, __WALL);
            if (pid < 0 && (errno != EINTR || time_is_over != 0)) {
                result_.timed_out = errno == EINTR;
                break;
            }
            if (pid == beside) {
                beside_runs = !WIFEXITED(status) && !WIFSIGNALED(status);
            } else if (pid > 0) {
                handle(pid, status);
            }
        }
    }

    Traced result() && { return std::move(result_); }

private:
    void handle(pid_t pid, int status) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            tracees_.erase(pid);
            if (pid == main_) {
                ended_ = true;
                result_.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            }
            return;
        }
        const int event = status >> 16;
        const int signal = WSTOPSIG(status);
        if (signal == kSyscallStop) {
            at_call(pid);
        } else if (event == PTRACE_EVENT_EXEC) {
            at_exec(pid);
        } else if (event != 0) {
            resume(pid, 0);
        } else {
            resume(pid, signal);
        }
    }

    void resume(pid_t pid, int signal) {
        request(over_ ? PTRACE_DETACH : PTRACE_SYSCALL, pid, 0, static_cast<std::uintptr_t>(signal));
    }

    /// The program begins here; what a child becomes is left alone.
    void at_exec(pid_t pid) {
        if (pid != main_) {
            tracees_.erase(pid);
            request(PTRACE_DETACH, pid);
            return;
        }
        begun_ = true;
        resume(pid, 0);
    }

    void at_call(pid_t pid) {
        ptrace_syscall_info info{};
        request(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, reinterpret_cast<std::uintptr_t>(&info));
        if (begun_ && !over_ && info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            Tracee& tracee = tracees_[pid];
            tracee = {};
            tracee.entry = {.pid = pid, .number = info.entry.nr, .args = {}};
            std::ranges::copy(info.entry.args, tracee.entry.args.begin());
            enter(tracee);
            if (pid == held_) {
                return;
            }
        } else if (begun_ && !over_ && info.op == PTRACE_SYSCALL_INFO_EXIT) {
            leave(tracees_[pid], info.exit.rval);
        }
        resume(pid, 0);
    }

    void enter(Tracee& tracee) {
        auto call = classify(tracee.entry);
        if (!call) {
            return;
        }
        const int number = ++count_;
        const bool by_main = tracee.entry.pid == main_;
        if (injection_.act == Act::None) {
            result_.calls.push_back(seen(*call, by_main));
        }
        if (number >= injection_.call && call->name == injection_.name && !result_.hit) {
            result_.hit = true;
            result_.at = seen(*call, by_main);
            disturb(tracee, *call);
        }
    }

    static Seen seen(const Call& call, bool by_main) {
        Seen result{.name = call.name,
                    .object = call.object,
                    .changes = call.changes,
                    .by_main = by_main,
                    .errors = call.errors,
                    .messages = {}};
        for (const auto& message : call.messages) {
            result.messages.push_back(message.name);
        }
        return result;
    }

    void disturb(Tracee& tracee, const Call& call) {
        switch (injection_.act) {
            case Act::None:
                break;
            case Act::KillBefore:
            case Act::Abandon:
                skip_call(tracee.entry.pid);
                kill_one(tracee.entry.pid);
                break;
            case Act::KillMainBefore:
                // The child stays where it is until its parent is gone.
                held_ = tracee.entry.pid == main_ ? 0 : tracee.entry.pid;
                kill_one(main_);
                break;
            case Act::KillInit:
                kill_inits();
                break;
            case Act::KillAfter:
                tracee.dies = true;
                break;
            case Act::KillMainAfter:
                tracee.main_dies = true;
                break;
            case Act::Fail:
                skip_call(tracee.entry.pid);
                tracee.fails = true;
                break;
            case Act::Refuse:
                if (static_cast<std::size_t>(injection_.message) < call.messages.size()) {
                    refused_ = call.messages[static_cast<std::size_t>(injection_.message)];
                    tracee.refuses = true;
                    spoil(tracee.entry.pid, *refused_);
                }
                break;
        }
    }

    void leave(Tracee& tracee, std::int64_t value) {
        const pid_t pid = tracee.entry.pid;
        if (tracee.fails) {
            set_result(pid, -injection_.error);
            over_ = true;
        } else if (tracee.refuses) {
            restore(pid, *refused_);
            tracee.refuses = false;
        } else if (tracee.dies) {
            kill_one(pid);
        } else if (tracee.main_dies) {
            kill_one(main_);
        } else if (refused_ && is_receiving(tracee.entry.number)) {
            over_ = rewrite_answer(tracee.entry, value, *refused_, injection_.error);
        }
    }

    /// At the entry of a call: the kernel does nothing and says ENOSYS.
    static void skip_call(pid_t pid) {
        const auto offset = offsetof(user_regs_struct, orig_rax);
        request(PTRACE_POKEUSR, pid, offset, ~std::uintptr_t{0});
    }

    static void set_result(pid_t pid, long value) {
        const auto offset = offsetof(user_regs_struct, rax);
        request(PTRACE_POKEUSR, pid, offset, static_cast<std::uintptr_t>(value));
    }

    /// Kills the partitions' first processes that earlier runs have left: children of the tracer's parent.
    void kill_inits() {
        const auto own = ::getpid();
        const std::string path =
            "/proc/" + std::to_string(::getppid()) + "/task/" + std::to_string(::getppid()) + "/children";
        std::istringstream children(test::read_file(path));
        for (pid_t child = 0; children >> child;) {
            if (child != own) {
                ::kill(child, SIGKILL);
            }
        }
        over_ = true;
    }

    /// When it is gone the others are let go; the kernel does that when the tracer ends.
    void kill_one(pid_t pid) {
        ::kill(pid, SIGKILL);
        over_ = true;
    }

    pid_t main_;
    pid_t held_ = 0;
    const Injection& injection_;
    std::map<pid_t, Tracee> tracees_;
    std::optional<NetlinkMessage> refused_;
    int count_ = 0;
    bool begun_ = false;
    bool over_ = false;  ///< what was to be disturbed is: the rest runs by itself
    bool ended_ = false;
    Traced result_;
};

}  // namespace

Traced follow(pid_t program, const std::function<void()>& go, pid_t beside, std::chrono::seconds patience,
              const Injection& injection) {
    struct sigaction action{};
    action.sa_handler = [](int) { time_is_over = 1; };
    ::sigaction(SIGALRM, &action, nullptr);
    require_call(request(PTRACE_SEIZE, program, 0, kOptions) == 0, "PTRACE_SEIZE");
    request(PTRACE_INTERRUPT, program);
    go();
    Tracer tracer(program, injection);
    ::alarm(static_cast<unsigned>(patience.count()));
    tracer.run(beside);
    auto result = std::move(tracer).result();
    if (result.timed_out) {
        ::kill(program, SIGKILL);
    }
    return result;
}

}  // namespace partd::fault
