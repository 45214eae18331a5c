// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <fstream>
#include <map>

namespace partd::attack {

namespace {

// --- processes

// kill(2) of everybody is tried in a pid namespace of its own only: its number on the host is `host`.
void signal_everybody(const std::string& host) {
    if (link_of("/proc/self/ns/pid") == host) {
        std::puts("everybody refused-to-try");
        return;
    }
    signal(SIGWINCH, SIG_IGN);
    tried("everybody", kill(-1, SIGWINCH));
}

}  // namespace

int signals(const Words& words) {
    const pid_t target = std::atoi(words.at(0).c_str());
    tried("kill", kill(target, SIGTERM));
    tried("tgkill", syscall(SYS_tgkill, target, target, SIGTERM));
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    tried("sigqueue", syscall(SYS_rt_sigqueueinfo, target, SIGTERM, &info));
    const long pidfd = syscall(SYS_pidfd_open, target, 0);
    tried("pidfd", pidfd < 0 ? -1 : syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, nullptr, 0));
    signal_everybody(words.at(1));
    return 0;
}

int traces(const Words& words) {
    const pid_t target = std::atoi(words.at(0).c_str());
    const std::string proc = "/proc/" + words.at(0) + "/";
    const long seized = ptrace(PTRACE_SEIZE, target, nullptr, nullptr);
    tried("seize", seized);
    if (seized == 0) {
        ptrace(PTRACE_INTERRUPT, target, nullptr, nullptr);
        waitpid(target, nullptr, __WALL);
        ptrace(PTRACE_DETACH, target, nullptr, nullptr);
    }
    char byte = 0;
    iovec local{&byte, 1};
    iovec remote{reinterpret_cast<void*>(0x400000), 1};
    const bool read = process_vm_readv(target, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT;
    tell("vm_readv", read);
    for (const char* file : {"mem", "environ", "maps", "auxv", "stack"}) {
        tell(file, opens(proc + file, O_RDONLY) &&
                       (std::string_view(file) == "mem" || !contents(proc + file).empty()));
    }
    tell("mem", opens(proc + "mem", O_RDWR));
    for (const char* name : {"cwd", "root", "exe", "ns/net", "ns/user"}) {
        tell(name, links(proc + name));
    }
    tell("root/", opens(proc + "root/", O_RDONLY | O_DIRECTORY));
    tell("cwd/", opens(proc + "cwd/", O_RDONLY | O_DIRECTORY));
    tell("fd", opens(proc + "fd", O_RDONLY | O_DIRECTORY) && links(proc + "fd/0"));
    const long pidfd = syscall(SYS_pidfd_open, target, 0);
    tried("getfd", pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, 0, 0));
    const pid_t child = fork();
    if (child == 0) {
        const long entered = pidfd < 0 ? -1 : setns(static_cast<int>(pidfd), CLONE_NEWNS | CLONE_NEWNET);
        tried("setns", entered);
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    const rlimit same{RLIM_INFINITY, RLIM_INFINITY};
    tried("prlimit", prlimit(target, RLIMIT_CORE, &same, nullptr));
    tried("priority", setpriority(PRIO_PROCESS, static_cast<id_t>(target), 5));
    return 0;
}

namespace {

std::vector<pid_t> processes() {
    std::vector<pid_t> all;
    DIR* proc = opendir("/proc");
    while (const dirent* entry = proc == nullptr ? nullptr : readdir(proc)) {
        if (const pid_t pid = std::atoi(static_cast<const char*>(entry->d_name)); pid > 0) {
            all.push_back(pid);
        }
    }
    if (proc != nullptr) {
        closedir(proc);
    }
    return all;
}

// Something of the host's through a process that is just entering: its directories lead to `marker`, its
// environment or memory has the secret, or it is partctl itself that can be traced.
struct Prey {
    std::string secret;
    std::string marker;  ///< path of a file below the caller's working directory's root
    long seen = 0, refused = 0;
    std::map<std::string, long> caught = {};

    void look_at(pid_t pid) {
        const std::string proc = "/proc/" + std::to_string(pid) + "/";
        ++seen;
        if (contents(proc + "environ").find(secret) != std::string::npos) {
            ++caught["environ"];
        }
        for (const char* way : {"cwd/marker", "fd/9/marker"}) {
            if (access((proc + way).c_str(), F_OK) == 0) {
                ++caught[way];
            }
        }
        if (access((proc + "root" + marker).c_str(), F_OK) == 0) {
            ++caught["root"];
        }
        const std::string exe = link_of(proc + "exe");
        if (exe.empty() && errno == EACCES) {
            ++refused;
        }
        if (exe.ends_with("partctl")) {
            ++caught["exe"];
        }
        const bool opened = opens(proc + "mem", O_RDWR);
        if (opened && link_of(proc + "exe").ends_with("partctl")) {
            ++caught["mem"];
        }
        if (ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0) {
            if (link_of(proc + "exe").ends_with("partctl")) {
                ++caught["seize"];
            }
            ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
            waitpid(pid, nullptr, __WALL);
            ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
        }
    }
};

}  // namespace

int lie_in_wait(const Words& words) {
    const auto end = Clock::now() + std::chrono::milliseconds(std::atoi(words.at(0).c_str()));
    Prey prey{.secret = words.at(1), .marker = words.at(2)};
    std::puts("waiting done");
    std::fflush(stdout);
    while (Clock::now() < end && access("/tmp/enough", F_OK) != 0) {
        for (const pid_t pid : processes()) {
            if (pid != 1 && pid != getpid()) {
                prey.look_at(pid);
            }
        }
    }
    std::printf("seen %ld\nrefused %ld\n", prey.seen, prey.refused);
    for (const auto& [way, count] : prey.caught) {
        std::printf("caught-%s %ld\n", way.c_str(), count);
    }
    return 0;
}

namespace {

// --- the host's program

// Everything that could change the file, once.
void write_through(const std::string& path, std::map<std::string, std::string>& results) {
    const auto note = [&](const char* how, long result) {
        results[how] = result != -1 ? "done" : strerrorname_np(errno);
    };
    for (const auto& [how, flags] :
         {std::pair{"write", O_WRONLY}, {"append", O_WRONLY | O_APPEND}, {"read-write", O_RDWR}}) {
        const int fd = open(path.c_str(), flags | O_CLOEXEC);
        note(how, fd);
        if (fd >= 0) {
            note(how, write(fd, "#!/owned", 8));
            close(fd);
        }
    }
    const int handle = open(path.c_str(), O_PATH | O_CLOEXEC);
    mount_attr writable{.attr_set = 0, .attr_clr = MOUNT_ATTR_RDONLY, .propagation = 0, .userns_fd = 0};
    note("mount_setattr", syscall(SYS_mount_setattr, handle, "", AT_EMPTY_PATH, &writable, sizeof writable));
    mkdir("/tmp/over", 0700);
    const long clone = syscall(SYS_open_tree, handle, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    note("clone", clone);
    const std::string again = "/proc/self/fd/" + std::to_string(handle);
    note("remount", mount(nullptr, again.c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr));
    note("bind", mount(again.c_str(), "/tmp/over", nullptr, MS_BIND, nullptr));
    note("truncate", truncate(path.c_str(), 0));
    note("chmod", chmod(path.c_str(), 0777));
    note("chown", chown(path.c_str(), 1, 1));
    note("utimes", utimensat(AT_FDCWD, path.c_str(), nullptr, 0));
    note("link", linkat(handle, "", AT_FDCWD, "/linked", AT_EMPTY_PATH));
    if (clone >= 0) {
        close(static_cast<int>(clone));
    }
    close(handle);
}

}  // namespace

// Waits, away from its parent, until the file runs nowhere any more ("text file busy"); the last results go

// into the log.

int overwrite(const Words& words) {
    struct stat st{};
    stat(words.at(0).c_str(), &st);
    std::printf("inode %lu\n", static_cast<unsigned long>(st.st_ino));
    std::fflush(stdout);
    if (fork() != 0) {
        return 0;
    }
    setsid();
    for (const int fd : {0, 1, 2}) {
        close(fd);
    }
    std::map<std::string, std::string> results;
    const auto end = Clock::now() + std::chrono::milliseconds(std::atoi(words.at(2).c_str()));
    do {
        write_through(words.at(0), results);
        usleep(10'000);
    } while (Clock::now() < end && results["write"] != "done");
    std::ofstream log(words.at(1) + ".new");
    for (const auto& [how, result] : results) {
        log << how << ' ' << result << '\n';
    }
    log.close();
    rename((words.at(1) + ".new").c_str(), words.at(1).c_str());
    return 0;
}

}  // namespace partd::attack
