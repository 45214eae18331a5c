#include "kernel/boot.h"

#include "base/text.h"
#include "kernel/channel.h"
#include "kernel/child.h"
#include "kernel/enter.h"
#include "kernel/files.h"
#include "kernel/host_tree.h"
#include "kernel/mount_api.h"
#include "kernel/processes.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// Descriptors of PID 1 until it becomes the command.
constexpr int kControl = 3;
constexpr int kProgram = 4;

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

// Keeps these two descriptors, under numbers of their own, and nothing else of the parent's.
void keep_only(int control, int program) {
    constexpr int kAbove = 16;
    const int safe_control = fcntl(control, F_DUPFD_CLOEXEC, kAbove);
    const int safe_program = fcntl(program, F_DUPFD_CLOEXEC, kAbove);
    dup3(safe_control, kControl, O_CLOEXEC);
    dup3(safe_program, kProgram, O_CLOEXEC);
    syscall(SYS_close_range, kProgram + 1, ~0U, 0);
}

Result<> use_null() {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        return fail_errno("open /dev/null");
    }
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        dup2(null, fd);
    }
    return {};
}

// It lives as long as the partition: what this process was started with is none of its own.
void forget_circumstances() {
    for (int signal = 1; signal < NSIG; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    (void)setpriority(PRIO_PROCESS, 0, 0);
    (void)write_kernel_file("/proc/self/oom_score_adj", "0");
    // partd's unit allows many descriptors. What uses select(2) breaks with more than these at once.
    constexpr rlim_t kDescriptors = 1024;
    rlimit descriptors{};
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = std::min(descriptors.rlim_max, kDescriptors);
        setrlimit(RLIMIT_NOFILE, &descriptors);
    }
}

Result<> become_init(const BootPlan& plan, const std::optional<Namespace>& mnt) {
    if (mnt) {
        PARTD_TRY(join(*mnt));
    }
    PARTD_TRY(use_null());
    forget_circumstances();
    leave_session();
    auto environment = plan.environment;
    environment.merge(clean_environment());
    Surroundings surroundings{.environment = std::move(environment)};
    surroundings.directory = plan.working_directory.empty() ? "/" : plan.working_directory;
    surroundings.program = plan.command.empty() ? kProgram : -1;
    return std::unexpected(
        become(plan.command.empty() ? std::vector<std::string>{"partd-init"} : plan.command, surroundings));
}

// PID 1, from its birth on: waits for its mount namespace and the word to go.
[[noreturn]] void be_init(Channel& control, int program, const BootPlan& plan) {
    keep_only(control.fd(), program);
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
        channel.send(result ? become_init(plan, mnt) : result);
    }
    _exit(1);
}

// In the process that is PID 1's parent for a moment.
Result<> give_birth(const Cgroups& cgroups, const BootPlan& plan, Channel& control, int program) {
    PARTD_TRY(cgroups.join(plan.group, {.name = "init", .delegated = true}));
    for (const Namespace* each : plan.namespaces) {
        PARTD_TRY(join(*each));
    }
    const auto is_net = [](const Namespace* each) { return each->type() == NamespaceType::Net; };
    if (!plan.root && plan.mnt == nullptr && std::ranges::any_of(plan.namespaces, is_net)) {
        PARTD_TRY(mount_host_view(plan.etc));
    }
    if (plan.user != nullptr) {
        PARTD_TRY(join_as_root(*plan.user));
    }
    if (unshare(CLONE_NEWPID) != 0) {
        return fail_errno("make a pid namespace");
    }
    const pid_t init = fork();
    if (init == 0) {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        be_init(control, program, plan);
    }
    return init < 0 ? fail_errno("fork PID 1") : Result<>();
}

// Starts PID 1, which then waits at the other end of the channel.
Result<Namespace> start(const Cgroups& cgroups, const BootPlan& plan, Channel control, Channel& ours,
                        int program) {
    std::optional<Namespace> pid;
    const auto work = [&] {
        ours.close();
        return give_birth(cgroups, plan, control, program);
    };
    const auto take = [&](pid_t parent) -> Result<> {
        auto opened = Namespace::of_children(parent, NamespaceType::Pid);
        PARTD_TRY(opened);
        pid = std::move(*opened);
        return {};
    };
    PARTD_TRY(in_child(work, take));
    return std::move(*pid);
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

Result<> boot(const Cgroups& cgroups, const BootPlan& plan,
              const std::function<Result<>(const Booted&)>& pin) {
    auto holder = open_holder();
    PARTD_TRY(holder);
    auto control = Channel::open();
    PARTD_TRY(control);
    auto& [ours, theirs] = *control;
    ours.set_patience(std::chrono::seconds(60));
    auto pid = start(cgroups, plan, std::move(theirs), ours, holder->get());
    PARTD_TRY(pid);
    PARTD_TRY(ours.expect());
    Booted booted{.pid = std::move(*pid), .mnt = {}};
    if (plan.root) {
        auto mnt = build_root(plan.namespaces, &booted.pid, *plan.root, plan.view);
        PARTD_TRY(mnt);
        booted.mnt = std::move(*mnt);
    }
    PARTD_TRY(pin(booted));
    const Namespace* mnt = booted.mnt ? &*booted.mnt : plan.mnt;
    ours.send({}, mnt == nullptr ? -1 : mnt->fd());
    // The channel closes when PID 1 has become its program.
    const auto word = ours.receive();
    return word ? word->result : Result<>();
}

namespace {

Result<bool> is_init_of(pid_t process, const Namespace& pid) {
    struct stat st{};
    if (stat(fmt::format("/proc/{}/ns/pid", process).c_str(), &st) != 0 || st.st_ino != pid.inode()) {
        return false;
    }
    const auto status = read_file(fmt::format("/proc/{}/status", process));
    if (!status) {
        return status.error().is_shortage() ? std::unexpected(status.error()) : Result<bool>(false);
    }
    for (const std::string_view line : split(*status, '\n')) {
        const auto parts = words(line);
        if (parts.size() > 1 && parts[0] == "State:" && (parts[1] == "Z" || parts[1] == "X")) {
            return false;
        }
        if (parts.size() > 1 && parts[0] == "NSpid:") {
            return parts.back() == "1";
        }
    }
    return false;
}

}  // namespace

Result<std::optional<pid_t>> find_init(const std::set<pid_t>& likely, const Namespace& pid) {
    const auto find_among = [&](const auto& processes) -> Result<std::optional<pid_t>> {
        for (const pid_t process : processes) {
            const auto is_it = is_init_of(process, pid);
            PARTD_TRY(is_it);
            if (*is_it) {
                return process;
            }
        }
        return std::nullopt;
    };
    if (auto found = find_among(likely); !found || *found) {
        return found;
    }
    const auto all = all_processes();
    PARTD_TRY(all);
    return find_among(*all);
}

}  // namespace partd::kernel
