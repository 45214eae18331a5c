// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <functional>

namespace partd::attack {

namespace {

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

// Runs `work` in a new mount and user namespace below this one.
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

}  // namespace

int unmounts(const Words&) {
    take_mounts_apart("");
    below([] { take_mounts_apart("below-"); });
    return 0;
}

namespace {

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

}  // namespace

int fresh(const Words&) {
    mount_fresh("");
    below([] { mount_fresh("below-"); });
    return 0;
}

namespace {

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

}  // namespace

int writable(const Words& words) {
    find_writable(words.at(0), words.size() > 1 ? words.at(1) : "", 0);
    std::puts("looked done");
    return 0;
}

namespace {

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

}  // namespace

int cgroups(const Words&) {
    try_cgroups("");
    below([] { try_cgroups("below-"); });
    return 0;
}

}  // namespace partd::attack
