// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/enter.h"

#include "kernel/file/files.h"
#include "kernel/mount/mount_api.h"
#include "kernel/root/host_tree.h"
#include "kernel/session/program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace partd::kernel {

const Namespace* Entry::find(NamespaceType type) const {
    const auto found = std::ranges::find(namespaces, type, &Namespace::type);
    return found == namespaces.end() ? nullptr : &*found;
}

bool Entry::isolated() const {
    return find(NamespaceType::Pid) != nullptr || find(NamespaceType::User) != nullptr;
}

Result<> enter(const Cgroups& cgroups, const Entry& entry, const Scope& scope) {
    if (entry.group) {
        PARTD_TRY(cgroups.join(*entry.group, scope));
    }
    if (const Namespace* net = entry.find(NamespaceType::Net); net != nullptr) {
        PARTD_TRY(join(*net));
        if (entry.find(NamespaceType::Mnt) == nullptr) {
            PARTD_TRY(mount_host_view(entry.etc));
        }
    }
    for (const Namespace& each : entry.namespaces) {
        if (each.type() != NamespaceType::Net && each.type() != NamespaceType::User &&
            each.type() != NamespaceType::Pid) {
            PARTD_TRY(join(each));
        }
    }
    const Namespace* user = entry.find(NamespaceType::User);
    return user == nullptr ? Result<>() : join_as_root(*user);
}

std::map<std::string, std::string> clean_environment() {
    return {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            {"HOME", "/root"},
            {"USER", "root"},
            {"LOGNAME", "root"},
            {"container", "partd"}};
}

void leave_session() {
    setsid();
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
}

unsigned set_file_mode_mask(unsigned mask) {
    return umask(mask);
}

namespace {

// The words as execve(2) wants them, ended by a null pointer.
std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> all;
    all.reserve(words.size() + 1);
    for (const std::string& word : words) {
        all.push_back(const_cast<char*>(word.c_str()));
    }
    all.push_back(nullptr);
    return all;
}

void set_environment(const std::map<std::string, std::string>& environment) {
    clearenv();
    for (const auto& [name, value] : environment) {
        setenv(name.c_str(), value.c_str(), 1);
    }
}

// The directory may be the partition's choice: no link of procfs leads out, and it has to be below the root
// (CVE-2024-21626).
Result<> go_to(const std::string& directory) {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_MAGICLINKS;
    const Fd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, directory.c_str(), &how, sizeof how)));
    std::array<char, PATH_MAX> path{};
    if (!fd || fchdir(fd.get()) != 0 || syscall(SYS_getcwd, path.data(), path.size()) < 0) {
        return fail_errno("go to " + directory);
    }
    return path[0] == '/' ? Result<>() : fail(directory + " is not below the root");
}

}  // namespace

Error become(const std::vector<std::string>& command, const ExecEnvironment& surroundings) {
    umask(surroundings.file_mode_mask);
    if (surroundings.environment) {
        set_environment(*surroundings.environment);
    }
    if (!surroundings.directory.empty()) {
        if (auto gone = go_to(surroundings.directory); !gone) {
            return std::move(gone).error().placed(surroundings.directory_at);
        }
    }
    // Descriptors of ours close by themselves; those that the caller left open are the caller's mistake, and
    // stay out as well.
    constexpr unsigned kFirst = 3;
    syscall(SYS_close_range, kFirst, ~0U, CLOSE_RANGE_CLOEXEC);
    const auto arguments = pointers(command);
    if (surroundings.program >= 0) {
        syscall(SYS_execveat, surroundings.program, "", arguments.data(), environ, AT_EMPTY_PATH);
    } else {
        return run_program(arguments).placed(surroundings.command_at);
    }
    return fail_errno(command[0]).error().placed(surroundings.command_at);
}

Result<> become_unwritable(char** arguments) {
    const Fd self(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    struct statvfs st{};
    if (!self) {
        return fail_errno("open /proc/self/exe");
    }
    if (fstatvfs(self.get(), &st) == 0 && (st.f_flag & ST_RDONLY) != 0) {
        prctl(PR_SET_NAME, program_invocation_short_name, 0, 0, 0);  // not the number of a descriptor
        return {};
    }
    auto tree = clone_tree(self.get(), false);
    PARTD_TRY(tree);
    PARTD_TRY(set_attributes(tree->get(), MOUNT_ATTR_RDONLY, false));
    syscall(SYS_execveat, tree->get(), "", arguments, environ, AT_EMPTY_PATH);
    return fail_errno("start again from a read-only mount");
}

std::string holder_path() {
    std::array<char, PATH_MAX> self;
    const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
    const std::string path(self.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    const std::string beside = path.substr(0, path.rfind('/') + 1) + "partd-init";
    return exists(beside) ? beside : PARTD_LIBEXECDIR "/partd-init";
}

}  // namespace partd::kernel
