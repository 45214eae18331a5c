// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/boot.h"

#include "base/text.h"
#include "kernel/child/channel.h"
#include "kernel/child/child.h"
#include "kernel/child/stopped.h"
#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"
#include "kernel/process/endings.h"
#include "kernel/process/init_search.h"
#include "kernel/process/processes.h"
#include "kernel/root/host_tree.h"
#include "kernel/session/circumstances.h"
#include "kernel/session/enter.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// Descriptors of PID 1 until it becomes the command.
constexpr int kControl = 3;
constexpr int kProgram = 4;
constexpr int kOutput = 5;

// The program that holds a partition, as a mount that nobody can write through, and that no path leads to:
// what runs inside may be able to open /proc/1/exe (CVE-2019-5736).
Result<Fd> open_holder() {
    const std::string path = holder_path();
    const Fd file(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!file) {
        return fail_errno("open " + path);
    }
    auto tree = clone_tree(file.get(), false);
    PARTD_TRY(tree);
    PARTD_TRY(set_attributes(tree->get(), MOUNT_ATTR_RDONLY, false));
    return tree;
}

// Keeps these descriptors, under numbers of their own, and nothing else of the parent's.
void keep_only(int control, int program, int output) {
    constexpr int kAbove = 16;
    const int safe_control = fcntl(control, F_DUPFD_CLOEXEC, kAbove);
    const int safe_program = fcntl(program, F_DUPFD_CLOEXEC, kAbove);
    const int safe_output = fcntl(output, F_DUPFD_CLOEXEC, kAbove);
    dup3(safe_control, kControl, O_CLOEXEC);
    dup3(safe_program, kProgram, O_CLOEXEC);
    dup3(safe_output, kOutput, O_CLOEXEC);
    syscall(SYS_close_range, kOutput + 1, ~0U, 0);
}

Result<> use_null(bool output_too) {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        return fail_errno("open /dev/null");
    }
    dup2(null, STDIN_FILENO);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
        dup2(output_too ? null : kOutput, fd);
    }
    return {};
}

// Why PID 1 is started: to stay; to check that it can be loaded; to read its output.
enum class Purpose : std::uint8_t { Live, Rehearsal, Hearing };

Result<> become_init(const BootPlan& plan, const std::optional<Namespace>& mnt, Purpose purpose) {
    if (mnt) {
        PARTD_TRY(join(*mnt));
    }
    PARTD_TRY(use_null(purpose != Purpose::Hearing));
    limit_descriptors();
    leave_session();
    auto environment = plan.environment;
    PARTD_TRY(give_up_rights(plan.privileges, environment));
    environment.merge(clean_environment());
    ExecEnvironment surroundings{.environment = std::move(environment)};
    surroundings.directory = plan.working_directory.empty() ? "/" : plan.working_directory;
    surroundings.file_mode_mask = plan.file_mode_mask;
    surroundings.program = plan.command.empty() ? kProgram : -1;
    surroundings.command_at = plan.command_at;
    surroundings.directory_at = plan.directory_at;
    return std::unexpected(
        become(plan.command.empty() ? std::vector<std::string>{"partd-init"} : plan.command, surroundings));
}

struct Materials {
    int program = -1;  // partd-init, open
    int output = -1;   // where the command writes, to be heard
    Purpose purpose = Purpose::Live;
};

// PID 1, from its birth on: waits for its mount namespace and the word to go.
[[noreturn]] void be_init(Channel& control, const Materials& with, const BootPlan& plan) {
    const Purpose purpose = with.purpose;
    if (purpose != Purpose::Live) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    }
    keep_only(control.fd(), with.program, with.output);
    Channel channel = Channel::adopt(kControl);
    channel.send({});
    if (auto go = channel.receive(); go) {
        std::optional<Namespace> mnt;
        Result<> result;
        if (go->fd) {
            auto opened = Namespace::from(std::move(go->fd), NamespaceType::Mnt);
            result = opened ? Result<>() : std::unexpected(opened.error());
            if (opened) {
                mnt = std::move(*opened);
            }
        }
        // A traced process stops when its new program is loaded (ptrace(2), execve under PTRACE_TRACEME).
        if (purpose == Purpose::Rehearsal && ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
            _exit(0);
        }
        channel.send(result ? become_init(plan, mnt, purpose) : result);
    }
    _exit(1);
}

// The parent of PID 1 for a moment, in a process of its own.
class Midwife {
public:
    Midwife(const Cgroups& cgroups, const BootPlan& plan, Channel control, const Materials& with)
        : cgroups_(cgroups), plan_(plan), control_(std::move(control)), with_(with) {}

    Result<> fork_init() {
        if (with_.purpose != Purpose::Rehearsal) {
            PARTD_TRY(cgroups_.join(plan_.group, {.name = "init", .delegated = true}));
        }
        // It lives as long as the partition: what this process was started with is none of its own.
        PARTD_TRY(forget_circumstances());
        PARTD_TRY(raise_bounds(plan_.privileges));
        for (const Namespace* each : plan_.namespaces) {
            PARTD_TRY(join(*each));
        }
        const auto is_net = [](const Namespace* each) { return each->type() == NamespaceType::Net; };
        if (!plan_.root && plan_.mnt == nullptr && std::ranges::any_of(plan_.namespaces, is_net)) {
            PARTD_TRY(mount_host_view(plan_.etc));
        }
        if (plan_.user != nullptr) {
            PARTD_TRY(join_as_root(*plan_.user));
        }
        if (unshare(CLONE_NEWPID) != 0) {
            return fail_errno("make a pid namespace");
        }
        init_ = fork();
        if (init_ == 0) {
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
            be_init(control_, with_, plan_);
        }
        return init_ < 0 ? fail_errno("fork PID 1") : Result<>();
    }

    // Waits until PID 1 has ended, which is an error with the code ECANCELED where it failed, else 0; in a
    // rehearsal until its program is loaded, and ends it.
    Result<> see_it_end() {
        control_.close();
        int status = 0;
        while (waitpid(init_, &status, 0) < 0 && errno == EINTR) {
        }
        if (with_.purpose != Purpose::Rehearsal) {
            return std::unexpected(Error{.code = status == 0 ? 0 : ECANCELED, .message = end_text(status)});
        }
        if (WIFSTOPPED(status)) {
            kill(init_, SIGKILL);
            while (waitpid(init_, &status, 0) < 0 && errno == EINTR) {
            }
        }
        return {};
    }

private:
    const Cgroups& cgroups_;
    const BootPlan& plan_;
    Channel control_;
    Materials with_;
    pid_t init_ = 0;
};

constexpr std::chrono::seconds kBootPatience{60};

struct Started {
    Namespace pid;
    Child parent;
};

// Starts PID 1, which then waits at the other end of the channel.
Result<Started> start(const Cgroups& cgroups, const BootPlan& plan, Channel control, Channel& ours,
                      const Materials& with) {
    Midwife midwife(cgroups, plan, std::move(control), with);
    auto parent = Child::start(
        [&] {
            ours.close();
            return midwife.fork_init();
        },
        [&] { return midwife.see_it_end(); });
    PARTD_TRY(parent);
    PARTD_TRY(parent->result());
    auto pid = Namespace::of_children(parent->pid(), NamespaceType::Pid);
    PARTD_TRY(pid);
    return Started{std::move(*pid), std::move(*parent)};
}

// A process in all namespaces that its mounts show; what the builder made is then where that process is.
Result<Namespace> build_root(const std::vector<const Namespace*>& others, const Namespace* pid,
                             const RootPlan& root, const RootView& view) {
    std::optional<Namespace> mnt;
    const auto work = [&]() -> Result<> {
        for (const Namespace* each : others) {
            PARTD_TRY(join(*each));
        }
        if (pid != nullptr) {
            PARTD_TRY(join(*pid));
        }
        return in_child([&] { return enter_new_root(root, view); },
                        [&](pid_t builder) -> Result<> {
                            auto made = Namespace::of_process(builder, NamespaceType::Mnt);
                            PARTD_TRY(made);
                            return join(*made);
                        });
    };
    const auto take = [&](pid_t child) -> Result<> {
        auto opened = Namespace::of_process(child, NamespaceType::Mnt);
        PARTD_TRY(opened);
        mnt = std::move(*opened);
        return {};
    };
    PARTD_TRY(in_child(work, take));
    return std::move(*mnt);
}

}  // namespace

Result<Namespace> make_mount_namespace(const std::vector<const Namespace*>& others, const RootPlan& root,
                                       const RootView& view) {
    return build_root(others, nullptr, root, view);
}

namespace {

Result<std::optional<Child>> boot_with(Materials with, const Cgroups& cgroups, const BootPlan& plan,
                                       const std::function<Result<>(const Booted&)>& pin) {
    auto holder = open_holder();
    PARTD_TRY(holder);
    with.program = holder->get();
    auto control = Channel::open();
    PARTD_TRY(control);
    auto& [ours, theirs] = *control;
    auto started = start(cgroups, plan, std::move(theirs), ours, with);
    PARTD_TRY(started);
    std::optional<Child> parent(std::move(started->parent));
    ours.set_patience(kBootPatience, ends_child_when_stopped(parent->pid()));
    PARTD_TRY(ours.expect());
    if (with.purpose == Purpose::Live && plan.command.empty()) {
        parent.reset();  // nothing to tell of partd-init
    }
    Booted booted{.pid = std::move(started->pid), .mnt = {}};
    if (plan.root) {
        auto mnt = build_root(plan.namespaces, &booted.pid, *plan.root, plan.view);
        PARTD_TRY(mnt);
        booted.mnt = std::move(*mnt);
    }
    PARTD_TRY(pin(booted));
    const Namespace* mnt = booted.mnt ? &*booted.mnt : plan.mnt;
    ours.send({}, mnt == nullptr ? -1 : mnt->fd());
    // The channel closes when PID 1 has become its program.
    if (auto word = ours.receive(); word && !word->result) {
        return std::unexpected(std::move(word->result).error());
    }
    return parent;
}

}  // namespace

Result<std::optional<Child>> boot(const Cgroups& cgroups, const BootPlan& plan,
                                  const std::function<Result<>(const Booted&)>& pin) {
    return boot_with({}, cgroups, plan, pin);
}

namespace {

constexpr auto kNoNames = [](const Booted&) { return Result<>(); };

// The end of what comes out of there until then.
std::string read_end(int fd, std::chrono::steady_clock::time_point until) {
    constexpr std::size_t kMost = 2048;
    std::string text;
    std::array<char, kMost> buffer{};
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || poll(&polled, 1, static_cast<int>(left.count())) <= 0) {
            break;
        }
        const ssize_t size = read(fd, buffer.data(), buffer.size());
        if (size <= 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(size));
        text.erase(0, text.size() - std::min(text.size(), kMost));
    }
    return text;
}

// A program that has given up its rights does not end with its parent (PR_SET_PDEATHSIG in prctl(2)).
void end_init(const Namespace& pid) {
    const auto process = find_init({}, pid).value_or(std::nullopt);
    if (process) {
        (void)end_processes(std::array{Termination{
            {*process}, inhabitants(NamespaceType::Pid, pid.inode()), std::chrono::milliseconds(0)}});
    }
}

}  // namespace

std::string hear(const Cgroups& cgroups, const BootPlan& plan, std::chrono::milliseconds time) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return "";
    }
    const Fd reading(ends[0]);
    Fd writing(ends[1]);
    const auto until = std::chrono::steady_clock::now() + time;
    std::optional<Namespace> pid;
    const auto keep = [&](const Booted& made) -> Result<> {
        auto own = Namespace::from(Fd(fcntl(made.pid.fd(), F_DUPFD_CLOEXEC, 0)), NamespaceType::Pid);
        PARTD_TRY(own);
        pid = std::move(*own);
        return {};
    };
    BootPlan again = plan;
    if (again.root) {
        again.root->memory = -1;  // the one who was first has it
    }
    const auto parent =
        boot_with({.output = writing.get(), .purpose = Purpose::Hearing}, cgroups, again, keep);
    writing.reset();
    std::string said = parent ? read_end(reading.get(), until) : "";
    if (pid) {
        end_init(*pid);
    }
    return said;
}

Result<> rehearse_boot(const Cgroups& cgroups, const BootPlan& plan) {
    auto parent = boot_with({.purpose = Purpose::Rehearsal}, cgroups, plan, kNoNames);
    PARTD_TRY(parent);
    // By then PID 1 has ended, and with it whatever it was in.
    auto ended = (*parent)->report();
    return ended ? *ended : Result<>();
}

}  // namespace partd::kernel
