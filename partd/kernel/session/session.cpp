// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/session.h"

#include "base/text.h"
#include "kernel/child/channel.h"
#include "kernel/file/files.h"
#include "kernel/session/account.h"
#include "kernel/session/privileges.h"
#include "kernel/session/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <set>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// The variables that the caller may pass on without exposing itself.
std::map<std::string, std::string> environment_for(const Account& account) {
    auto environment = clean_environment();
    environment["HOME"] = account.home;
    environment["SHELL"] = account.shell;
    for (const char* name : {"TERM", "COLORTERM", "LANG", "LC_ALL"}) {
        if (const char* value = std::getenv(name); value != nullptr) {
            environment[name] = value;
        }
    }
    return environment;
}

std::map<std::string, std::string> own_environment() {
    std::map<std::string, std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos) {
            environment.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return environment;
}

// The environment of the program; nullopt: this process'.
std::optional<std::map<std::string, std::string>> environment_of(const Entry& entry, const SessionPlan& plan,
                                                                 const Account& account) {
    std::optional<std::map<std::string, std::string>> environment;
    if (entry.isolated() || entry.own_root) {
        environment = environment_for(account);
    } else if (!plan.environment.empty() || !plan.user.empty()) {
        environment = own_environment();
    }
    if (!plan.user.empty()) {
        environment->insert_or_assign("HOME", account.home);
        environment->insert_or_assign("SHELL", account.shell);
        environment->insert_or_assign("USER", account.name);
        environment->insert_or_assign("LOGNAME", account.name);
    }
    for (const auto& [name, value] : plan.environment) {
        (*environment)[name] = value;
    }
    return environment;
}

Error be_program(const Entry& entry, const SessionPlan& plan) {
    const auto account = plan.user.empty() ? root_account() : find_account(plan.user);
    if (!account) {
        return account.error();
    }
    ExecEnvironment surroundings{.environment = environment_of(entry, plan, *account),
                                 .file_mode_mask = plan.file_mode_mask};
    std::vector<std::string> command = plan.command;
    if (command.empty()) {
        const std::string shell = exists(account->shell) ? account->shell : "/bin/sh";
        command = {shell, "-l"};
        surroundings.directory = exists(account->home) ? account->home : "/";
    } else if (entry.own_root || entry.find(NamespaceType::Mnt) != nullptr) {
        surroundings.directory = "/";
    }
    if (!plan.user.empty()) {
        if (auto done = become_user(*account); !done) {
            return std::move(done).error();
        }
    }
    return become(command, surroundings);
}

// Closes the caller's other descriptors, each a way out of the partition (CVE-2024-21626), before anything of
// the partition is looked at.
void close_others(const Entry& entry, const Channel& told) {
    std::set<unsigned> kept = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, static_cast<unsigned>(told.fd())};
    for (const Namespace& each : entry.namespaces) {
        kept.insert(static_cast<unsigned>(each.fd()));
    }
    unsigned first = 0;
    for (const unsigned fd : kept) {
        if (fd > first) {
            syscall(SYS_close_range, first, fd - 1, 0);
        }
        first = fd + 1;
    }
    syscall(SYS_close_range, first, ~0U, 0);
}

// In the child: everything up to the program.
Result<> go_inside(const Cgroups& cgroups, const Entry& entry, const Scope& scope, const SessionPlan& plan,
                   Channel& told) {
    close_others(entry, told);
    PARTD_TRY(enter(cgroups, entry, scope));
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // a change of user takes it back
    if (entry.isolated()) {
        leave_session();
    }
    if (plan.terminal) {
        auto terminal = open_terminal();
        PARTD_TRY(terminal);
        // The program asks for it as soon as it runs, maybe before the caller's side is there.
        copy_window_size(terminal->master.get());
        told.send({}, terminal->master.get());
        PARTD_TRY(use_terminal(terminal->slave));
    }
    return std::unexpected(be_program(entry, plan));
}

sigset_t forwarded_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal :
         {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT, SIGTSTP}) {
        sigaddset(&set, signal);
    }
    return set;
}

void write_out(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = write(fd, text.data(), text.size());
        if (size < 0 && errno != EINTR) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }
}

// The caller's side while the program runs.
class Relay {
public:
    Relay(pid_t child, Fd process, Fd master, int signals)
        : child_(child), process_(std::move(process)), master_(std::move(master)), signals_(signals) {}

    // Until the program has ended and all that it wrote is out.
    void run() {
        const bool to_terminal = static_cast<bool>(master_);
        if (to_terminal) {
            fcntl(master_.get(), F_SETFL, O_RDWR | O_NONBLOCK);
        }
        has_input_ = to_terminal && is_terminal(STDIN_FILENO);
        if (to_terminal) {
            copy_window_size(master_.get());
        }
        do {
            follow_terminal();
        } while (step());
        give_terminal_back();
    }

private:
    // The caller's terminal is ours while we are in its foreground: in the background a shell has it, whoever
    // reads from it or changes it is stopped (SIGTTIN, SIGTTOU in signal(7)), and nothing but output goes on.
    void follow_terminal() {
        const bool ours = has_input_ && in_foreground(STDIN_FILENO);
        if (ours && !raw_) {
            raw_.emplace();
            if (master_) {
                copy_window_size(master_.get());
            }
        } else if (!ours) {
            give_terminal_back();
        }
    }

    // Where a shell has taken it, it has set it to its own liking.
    void give_terminal_back() {
        if (raw_ && !in_foreground(STDIN_FILENO)) {
            raw_->forget();
        }
        raw_.reset();
    }

    static bool ready(const pollfd& polled) { return (polled.revents & (POLLIN | POLLHUP | POLLERR)) != 0; }

    bool step() {
        // A program that writes while it is written to would wait for us while we wait for it: what it does
        // not take is kept, and no more is read meanwhile.
        const short master_events = typed_.empty() ? POLLIN : POLLIN | POLLOUT;
        std::array<pollfd, 4> polled = {
            pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
            pollfd{.fd = process_.get(), .events = POLLIN, .revents = 0},
            pollfd{.fd = master_ ? master_.get() : -1, .events = master_events, .revents = 0},
            pollfd{.fd = raw_ && typed_.empty() ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}};
        // Nothing tells that a shell has put us into the foreground.
        constexpr int kGlance = 250;  // milliseconds
        if (poll(polled.data(), polled.size(), has_input_ && !raw_ ? kGlance : -1) < 0) {
            return errno == EINTR;
        }
        if (ready(polled[0])) {
            pass_signal();
        }
        if (ready(polled[3]) && in_foreground(STDIN_FILENO)) {
            has_input_ = read_some(STDIN_FILENO, typed_);
        }
        if (master_ && !typed_.empty()) {
            const ssize_t size = write(master_.get(), typed_.data(), typed_.size());
            typed_.erase(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        }
        if (ready(polled[2])) {
            std::string shown;
            if (!read_some(master_.get(), shown)) {
                master_.reset();  // EIO: nobody has the terminal open any more
            }
            write_out(terminal_, shown);
            return true;
        }
        return !ready(polled[1]);
    }

    // Appends what there is; false at the end.
    static bool read_some(int from, std::string& to) {
        std::array<char, 4096> buffer;
        const ssize_t size = read(from, buffer.data(), buffer.size());
        to.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return size > 0 || (size < 0 && (errno == EINTR || errno == EAGAIN));
    }

    void pass_signal() {
        signalfd_siginfo info{};
        if (read(signals_, &info, sizeof info) != sizeof info) {
            return;
        }
        const int signal = static_cast<int>(info.ssi_signo);
        if (signal == SIGWINCH && master_) {
            copy_window_size(master_.get());
        } else {
            kill(child_, signal);
        }
    }

    // Where the caller's terminal is: output that went elsewhere has not come this way.
    static int first_terminal() {
        static constexpr std::array kOutputs = {STDOUT_FILENO, STDERR_FILENO};
        const auto found = std::ranges::find_if(kOutputs, is_terminal);
        return found == kOutputs.end() ? STDOUT_FILENO : *found;
    }

    pid_t child_;
    Fd process_;
    Fd master_;
    int signals_;
    int terminal_ = first_terminal();
    bool has_input_ = false;      // a terminal that has not ended
    std::optional<RawMode> raw_;  // while it is ours
    std::string typed_;           // and not taken yet
};

// As the program ended: its own code, or the same signal.
[[noreturn]] void end_alike(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFSIGNALED(status)) {
        _exit(WEXITSTATUS(status));
    }
    const rlimit no_core{};
    setrlimit(RLIMIT_CORE, &no_core);
    const int signal = WTERMSIG(status);
    ::signal(signal, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    raise(signal);
    constexpr int kBySignal = 128;
    _exit(kBySignal + signal);
}

// Waits until the child runs its program, which closes the channel; returns its terminal, if it has one. The
// time inside the partition is not bounded: a signal ends the wait.
Result<Fd> await_start(Channel& channel, int signals, pid_t child) {
    Fd master;
    while (true) {
        std::array<pollfd, 2> polled = {pollfd{.fd = channel.fd(), .events = POLLIN, .revents = 0},
                                        pollfd{.fd = signals, .events = POLLIN, .revents = 0}};
        if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
            return fail_errno("wait for the program to start");
        }
        // The program may have started already: then the signal is for it, and waits.
        if (polled[0].revents != 0) {
            auto word = channel.receive();
            if (!word) {
                return master;
            }
            PARTD_TRY(word->result);
            if (word->fd) {
                PARTD_TRY(check_master(word->fd.get()));
                master = std::move(word->fd);
            }
            continue;
        }
        signalfd_siginfo info{};
        if (read(signals, &info, sizeof info) != sizeof info) {
            continue;
        }
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGHUP ||
            info.ssi_signo == SIGQUIT) {
            return fail(EINTR, "start the program");
        }
        kill(child, static_cast<int>(info.ssi_signo));
    }
}

}  // namespace

Error run_session(const Cgroups& cgroups, const Entry& entry, const SessionPlan& plan) {
    // By this process' number, which the caller knows; the child may have another one.
    const Scope scope{.name = fmt::format("exec-{}", getpid()), .hang_up = true};
    if (!entry.isolated()) {
        // In the place of this process: nothing to relay, and a service manager sees the program itself.
        auto entered = enter(cgroups, entry, scope);
        return entered ? be_program(entry, plan) : entered.error();
    }
    auto channel = Channel::open();
    if (!channel) {
        return channel.error();
    }
    auto& [ours, theirs] = *channel;
    if (const Namespace* pid = entry.find(NamespaceType::Pid); pid != nullptr) {
        if (auto joined = join(*pid); !joined) {
            return joined.error();
        }
    }
    const sigset_t signals = forwarded_signals();
    const Fd caught(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!caught) {
        return fail_errno("listen to signals for the program").error();
    }
    sigset_t before;
    sigprocmask(SIG_BLOCK, &signals, &before);
    const pid_t child = fork();
    if (child < 0) {
        return fail_errno("fork").error();
    }
    if (child == 0) {
        ours.close();
        sigprocmask(SIG_SETMASK, &before, nullptr);
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        theirs.send(go_inside(cgroups, entry, scope, plan, theirs));
        _exit(1);
    }
    theirs.close();
    Fd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    auto master = process ? await_start(ours, caught.get(), child) : fail_errno("watch the program");
    if (!master) {
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        return master.error();
    }
    ::signal(SIGPIPE, SIG_IGN);  // the terminal is put back whoever stops listening
    Relay(child, std::move(process), std::move(*master), caught.get()).run();
    end_alike(child);
}

}  // namespace partd::kernel
