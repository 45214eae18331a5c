// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <linux/keyctl.h>
#include <linux/nsfs.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include <fstream>

namespace partd::attack {

// --- devices, names, handles

int devices(const Words& words) {
    const dev_t zero = makedev(1, 5);
    for (const char* place : {"/tmp", "/dev", "/root", "/dev/shm"}) {
        const std::string path = std::string(place) + "/node";
        tried("mknod-char:" + std::string(place), mknod(path.c_str(), S_IFCHR | 0666, zero));
        tried("mknod-block:" + std::string(place), mknod(path.c_str(), S_IFBLK | 0666, makedev(7, 0)));
    }
    for (const std::string& path : words) {
        tell("open:" + path, opens(path, O_RDONLY));
    }
    return 0;
}

// By the number of an inode, whatever the tree shows: 2 is the root of an ext4, 128 of an xfs, 1 of a tmpfs.

int handles(const Words& words) {
    alignas(file_handle) unsigned char bytes[sizeof(file_handle) + 8] = {};
    auto* handle = reinterpret_cast<file_handle*>(bytes);
    handle->handle_bytes = 8;
    handle->handle_type = 1;
    const int root = open(words.at(0).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const unsigned inode : {1U, 2U, 128U}) {
        std::memcpy(bytes + sizeof(file_handle), &inode, sizeof inode);
        const long opened = syscall(SYS_open_by_handle_at, root, handle, O_RDONLY | O_DIRECTORY);
        // A stale handle was looked up all the same: the right to do so is what counts.
        tell("handle:" + std::to_string(inode), opened != -1 || errno == ESTALE);
    }
    return 0;
}

int enters(const Words& words) {
    for (const std::string& path : words) {
        const pid_t child = fork();
        if (child == 0) {
            const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
            tell("open:" + path, fd >= 0);
            if (fd >= 0) {
                tried("setns:" + path, setns(fd, 0));
            }
            std::fflush(stdout);
            _exit(0);
        }
        waitpid(child, nullptr, 0);
    }
    for (const char* type : {"user", "pid"}) {
        const int fd = open((std::string("/proc/self/ns/") + type).c_str(), O_RDONLY | O_CLOEXEC);
        tried(std::string("parent-of-") + type, ioctl(fd, NS_GET_PARENT));
    }
    const int user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    tried("owner-of-user", ioctl(user, NS_GET_USERNS));
    return 0;
}

// --- what only the host's root may ask of the kernel

// Without effect where it is allowed.

int privileges(const Words&) {
    tried("init_module", syscall(SYS_init_module, "", 0, ""));
    tried("finit_module", syscall(SYS_finit_module, -1, "", 0));
    tried("delete_module", syscall(SYS_delete_module, "no_such_module", O_NONBLOCK));
    tried("kexec_load", syscall(SYS_kexec_load, 0, 0, nullptr, 0xffffUL));
    tried("swapon", swapon("/no/such/file", 0));
    tried("acct", acct("/no/such/file"));
    tried("reboot-by-no-magic", syscall(SYS_reboot, 0, 0, 0, nullptr));
    tried("syslog", syscall(SYS_syslog, 10 /* size of the buffer */, nullptr, 0));
    tried("quotactl", syscall(SYS_quotactl, 0x800003 << 8, "/no/such/device", 0, nullptr));
    tell("mem", opens("/dev/mem", O_RDONLY));
    tell("kmsg", opens("/dev/kmsg", O_WRONLY));
    return 0;
}

// The clock is set to what it shows, the rest is this process's own.

int self_service(const Words&) {
    timeval now{};
    gettimeofday(&now, nullptr);
    tried("settimeofday", settimeofday(&now, nullptr));
    timex clock{};
    adjtimex(&clock);
    clock.modes = ADJ_TICK;
    tried("adjtimex", adjtimex(&clock));
    tried("nice", setpriority(PRIO_PROCESS, 0, -5));
    sched_param realtime{.sched_priority = 1};
    tried("realtime", sched_setscheduler(0, SCHED_FIFO, &realtime));
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    ++limit.rlim_max;
    tried("rlimit", setrlimit(RLIMIT_NOFILE, &limit));
    tried("oom", opens("/proc/self/oom_score_adj", O_WRONLY) &&
                         std::ofstream("/proc/self/oom_score_adj").write("-1000", 5).flush().good()
                     ? 0
                     : -1);
    return 0;
}

// Restarts the machine that it is on: only where the pid namespace is not the host's, whose number is given.

int reboots(const Words& words) {
    if (link_of("/proc/self/ns/pid") == words.at(0)) {
        std::puts("reboot refused-to-try");
        return 0;
    }
    tried("reboot", reboot(RB_AUTOBOOT));
    return 0;
}

int keys(const Words& words) {
    const long key = std::atol(words.at(0).c_str());
    char text[64];
    tried("read", syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text));
    tried("describe", syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text));
    tried("link", syscall(SYS_keyctl, KEYCTL_LINK, key, KEY_SPEC_PROCESS_KEYRING));
    tried("revoke-permission", syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000U));
    for (const auto& [name, ring] : {std::pair{"session", KEY_SPEC_SESSION_KEYRING},
                                     {"user", KEY_SPEC_USER_KEYRING},
                                     {"user-session", KEY_SPEC_USER_SESSION_KEYRING}}) {
        tried(std::string("search-") + name,
              syscall(SYS_keyctl, KEYCTL_SEARCH, ring, "user", words.at(1).c_str(), 0));
    }
    return 0;
}

// A key in the session's keyring, then the program.

int with_key(const Words& words) {
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    const long key = syscall(SYS_add_key, "user", words.at(0).c_str(), "secret", 6, KEY_SPEC_SESSION_KEYRING);
    if (key < 0) {
        tell("add_key", false);
        return 1;
    }
    std::vector<std::string> command(words.begin() + 1, words.end());
    std::vector<char*> arguments;
    for (std::string& word : command) {
        word = word == "KEY" ? std::to_string(key) : word;
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    return 1;
}

// A name that is a directory one moment and a symbolic link the next.

int flip(const Words& words) {
    const std::string other = words.at(0) + ".other";
    mkdir(words.at(0).c_str(), 0755);
    unlink(other.c_str());
    tried("link", symlink(words.at(1).c_str(), other.c_str()));
    const auto end = Clock::now() + std::chrono::milliseconds(std::atoi(words.at(2).c_str()));
    long times = 0;
    while (Clock::now() < end && access((words.at(0) + ".enough").c_str(), F_OK) != 0) {
        for (int i = 0; i < 100; ++i) {
            times += renameat2(AT_FDCWD, words.at(0).c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0;
        }
    }
    std::printf("flips %ld\n", times);
    return 0;
}

// Puts words into the input of its own terminal, as if somebody had typed them.

int types(const Words& words) {
    for (const char letter : words.at(0)) {
        if (ioctl(STDIN_FILENO, TIOCSTI, &letter) != 0) {
            tell("tiocsti", false);
            return 0;
        }
    }
    tell("tiocsti", true);
    return 0;
}

int descriptors(const Words&) {
    for (int fd = 0; fd < 1024; ++fd) {
        if (fcntl(fd, F_GETFD) != -1) {
            std::printf("%d %s\n", fd, link_of("/proc/self/fd/" + std::to_string(fd)).c_str());
        }
    }
    return 0;
}

}  // namespace partd::attack
