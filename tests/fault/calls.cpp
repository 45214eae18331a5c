// SPDX-License-Identifier: Apache-2.0
#include "calls.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

namespace partd::fault {
namespace {

/// Where a call's object stands among its arguments.
enum class Object : std::uint8_t { None, Path, PathAt, Descriptor, Number };

struct Known {
    const char* name;
    Object object;
    std::vector<int> errors;
    bool changes = true;
    unsigned argument = 0;
};

const std::map<std::uint64_t, Known>& known_calls() {
    using enum Object;
    static const std::map<std::uint64_t, Known> kCalls = {
        {SYS_mount, {"mount", Path, {ENOMEM, EBUSY, EPERM, EINVAL, ENOSPC}, true, 1}},
        {SYS_umount2, {"umount2", Path, {EBUSY, EPERM}}},
        {SYS_move_mount, {"move_mount", PathAt, {ENOMEM, EINVAL, EPERM, ENOSPC}, true, 2}},
        {SYS_open_tree, {"open_tree", PathAt, {EMFILE, ENOMEM, EPERM}}},
        {SYS_fsopen, {"fsopen", Path, {EMFILE, ENOMEM, EPERM}}},
        {SYS_fsconfig, {"fsconfig", Number, {ENOMEM, EINVAL, EPERM}}},
        {SYS_fsmount, {"fsmount", Number, {ENOMEM, EPERM, EMFILE}}},
        {SYS_mount_setattr, {"mount_setattr", PathAt, {ENOMEM, EINVAL, EPERM}}},
        {SYS_pivot_root, {"pivot_root", Path, {EINVAL, EPERM}}},
        {SYS_chroot, {"chroot", Path, {EPERM, ENOENT}}},
        {SYS_unshare, {"unshare", Number, {ENOSPC, EPERM, ENOMEM}}},
        {SYS_setns, {"setns", Number, {EPERM, ENOMEM, EINVAL}, true, 1}},
        {SYS_clone, {"clone", Number, {EAGAIN, ENOMEM}}},
        {SYS_clone3, {"clone3", None, {EAGAIN, ENOMEM}}},
        {SYS_fork, {"fork", None, {EAGAIN, ENOMEM}}},
        {SYS_vfork, {"vfork", None, {EAGAIN, ENOMEM}}},
        {SYS_execve, {"execve", Path, {ENOMEM, EACCES, ENOENT}}},
        {SYS_execveat, {"execveat", PathAt, {ENOMEM, EACCES, ENOENT}}},
        {SYS_mkdir, {"mkdir", Path, {ENOSPC, EPERM, EACCES, EEXIST, ENOENT}}},
        {SYS_mkdirat, {"mkdirat", PathAt, {ENOSPC, EPERM, EACCES, EEXIST, ENOENT}}},
        {SYS_rmdir, {"rmdir", Path, {EBUSY, ENOTEMPTY, EPERM}}},
        {SYS_unlink, {"unlink", Path, {EPERM, EBUSY, EIO}}},
        {SYS_unlinkat, {"unlinkat", PathAt, {EPERM, EBUSY, EIO}}},
        {SYS_rename, {"rename", Path, {ENOSPC, EPERM, EIO}, true, 1}},
        {SYS_renameat, {"renameat", PathAt, {ENOSPC, EPERM, EIO}, true, 2}},
        {SYS_renameat2, {"renameat2", PathAt, {ENOSPC, EPERM, EIO}, true, 2}},
        {SYS_symlink, {"symlink", Path, {ENOSPC, EPERM, EEXIST}, true, 1}},
        {SYS_symlinkat, {"symlinkat", PathAt, {ENOSPC, EPERM, EEXIST}, true, 1}},
        {SYS_link, {"link", Path, {ENOSPC, EPERM, EEXIST}, true, 1}},
        {SYS_linkat, {"linkat", PathAt, {ENOSPC, EPERM, EEXIST}, true, 2}},
        {SYS_mknod, {"mknod", Path, {ENOSPC, EPERM, EEXIST}}},
        {SYS_mknodat, {"mknodat", PathAt, {ENOSPC, EPERM, EEXIST}}},
        {SYS_truncate, {"truncate", Path, {EIO, EPERM}}},
        {SYS_ftruncate, {"ftruncate", Descriptor, {EIO, EPERM}}},
        {SYS_setxattr, {"setxattr", Path, {ENOSPC, EPERM, EOPNOTSUPP}}},
        {SYS_lsetxattr, {"lsetxattr", Path, {ENOSPC, EPERM, EOPNOTSUPP}}},
        {SYS_fsetxattr, {"fsetxattr", Descriptor, {ENOSPC, EPERM, EOPNOTSUPP}}},
        {SYS_removexattr, {"removexattr", Path, {EPERM, EIO}}},
        {SYS_fremovexattr, {"fremovexattr", Descriptor, {EPERM, EIO}}},
        {SYS_chmod, {"chmod", Path, {EPERM, EIO}}},
        {SYS_fchmod, {"fchmod", Descriptor, {EPERM, EIO}}},
        {SYS_fchmodat, {"fchmodat", PathAt, {EPERM, EIO}}},
        {SYS_chown, {"chown", Path, {EPERM, EIO}}},
        {SYS_fchown, {"fchown", Descriptor, {EPERM, EIO}}},
        {SYS_fchownat, {"fchownat", PathAt, {EPERM, EIO}}},
        {SYS_kill, {"kill", Number, {EPERM, ESRCH}, true, 1}},
        {SYS_pidfd_send_signal, {"pidfd_send_signal", Number, {EPERM, ESRCH}, true, 1}},
        {SYS_sethostname, {"sethostname", None, {EPERM}}},
        {SYS_setdomainname, {"setdomainname", None, {EPERM}}},
        {SYS_setgroups, {"setgroups", None, {EPERM, ENOMEM}}},
        {SYS_setresuid, {"setresuid", Number, {EPERM, EAGAIN}}},
        {SYS_setresgid, {"setresgid", Number, {EPERM}}},
        {SYS_setuid, {"setuid", Number, {EPERM, EAGAIN}}},
        {SYS_setgid, {"setgid", Number, {EPERM}}},
        {SYS_capset, {"capset", None, {EPERM}}},
        {SYS_fchdir, {"fchdir", Descriptor, {EACCES, ENOENT}}},
        {SYS_chdir, {"chdir", Path, {EACCES, ENOENT}}},
        {SYS_setsid, {"setsid", None, {EPERM}}},
        // These only take something; with them fails what is needed for it.
        {SYS_fsync, {"fsync", Descriptor, {EIO, ENOSPC}, false}},
        {SYS_flock, {"flock", Descriptor, {EINTR, ENOLCK}, false}},
        {SYS_socket, {"socket", Number, {EMFILE, ENFILE, ENOMEM}, false, 0}},
        {SYS_socketpair, {"socketpair", None, {EMFILE, ENFILE, ENOMEM}, false}},
        {SYS_bind, {"bind", Number, {EADDRINUSE, ENOMEM}, false}},
        {SYS_pipe2, {"pipe2", None, {EMFILE, ENFILE}, false}},
        {SYS_pidfd_open, {"pidfd_open", Number, {EMFILE, ENOMEM}, false}},
        {SYS_keyctl, {"keyctl", Number, {EDQUOT, ENOMEM}, false}},
        {SYS_sched_setaffinity, {"sched_setaffinity", None, {EINVAL, EPERM}, false}},
        {SYS_epoll_create1, {"epoll_create1", None, {EMFILE, ENFILE}, false}},
        {SYS_signalfd4, {"signalfd4", None, {EMFILE, ENFILE}, false}},
        {SYS_timerfd_create, {"timerfd_create", None, {EMFILE, ENFILE}, false}},
        {SYS_inotify_init1, {"inotify_init1", None, {EMFILE, ENFILE}, false}},
        {SYS_inotify_add_watch, {"inotify_add_watch", Path, {ENOSPC, ENOMEM}, false, 1}},
        {SYS_recvmsg, {"recvmsg", Descriptor, {ENOBUFS, EINTR}, false}},
        {SYS_recvfrom, {"recvfrom", Descriptor, {ENOBUFS, EINTR}, false}},
        {SYS_recvmmsg, {"recvmmsg", Descriptor, {ENOBUFS, EINTR}, false}},
    };
    return kCalls;
}

std::string descriptor_path(pid_t pid, std::uint64_t fd) {
    std::array<char, 4096> target{};
    const auto link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(static_cast<int>(fd));
    const auto size = ::readlink(link.c_str(), target.data(), target.size());
    return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

/// "socket:[1234]" is another one each time.
std::string without_number(const std::string& name) {
    return name.starts_with('/') ? name : name.substr(0, name.find(':'));
}

std::string object_of(const Entry& entry, const Known& known) {
    const auto argument = entry.args[known.argument];
    switch (known.object) {
        case Object::Path:
            return read_text(entry.pid, argument);
        case Object::PathAt: {
            const std::string path = read_text(entry.pid, entry.args[known.argument + 1]);
            return path.starts_with('/') || static_cast<int>(argument) == AT_FDCWD
                       ? path
                       : descriptor_path(entry.pid, argument) + "/" + path;
        }
        case Object::Descriptor:
            return without_number(descriptor_path(entry.pid, argument));
        case Object::Number:
            return std::to_string(static_cast<std::int64_t>(argument));
        case Object::None:
            break;
    }
    return {};
}

/// A file that keeps what is written to it: not a pipe, a socket, a terminal, or a memory file.
bool is_kept(const std::string& path) {
    return path.starts_with('/') && !path.starts_with("/dev/") && !path.starts_with("/memfd:");
}

Call opening(const char* name, const std::string& path, std::uint64_t flags) {
    const bool creates = (flags & (O_CREAT | O_TRUNC)) != 0;
    const bool writes = (flags & O_ACCMODE) != O_RDONLY;
    std::vector<int> errors = creates  ? std::vector{ENOSPC, EMFILE, EACCES, ENFILE}
                              : writes ? std::vector{EMFILE, EACCES, ENOENT, ENFILE}
                                       : std::vector{EMFILE, ENFILE, ENOMEM};
    return {.name = std::string(name) + (creates  ? " (create)"
                                         : writes ? " (write)"
                                                  : " (read)"),
            .object = path,
            .changes = creates || (writes && is_kept(path)),
            .errors = std::move(errors),
            .messages = {}};
}

/// The program is not yet there: its libraries are being loaded.
bool is_of_loader(const std::string& path) {
    return path == "/etc/ld.so.cache" || path.find("/lib/x86_64-linux-gnu/") != std::string::npos;
}

std::optional<Call> classify_open(const Entry& entry) {
    const auto path = [&](unsigned argument) { return read_text(entry.pid, entry.args[argument]); };
    if (entry.number == SYS_openat && is_of_loader(path(1))) {
        return std::nullopt;
    }
    if (entry.number == SYS_open || entry.number == SYS_creat) {
        return opening("open", path(0), entry.number == SYS_creat ? O_CREAT | O_TRUNC : entry.args[1]);
    }
    if (entry.number == SYS_openat) {
        return opening("openat", path(1), entry.args[2]);
    }
    open_how how{};
    const std::string bytes = read_memory(entry.pid, entry.args[2], sizeof how);
    std::memcpy(&how, bytes.data(), std::min(bytes.size(), sizeof how));
    return opening("openat2", path(1), how.flags);
}

std::optional<Call> classify_write(const Entry& entry) {
    const std::string path = descriptor_path(entry.pid, entry.args[0]);
    if (!is_kept(path)) {
        return std::nullopt;
    }
    const bool of_kernel = path.starts_with("/proc/") || path.starts_with("/sys/");
    return Call{
        .name = of_kernel ? "write (kernel)" : "write (file)",
        .object = path,
        .changes = true,
        .errors = of_kernel ? std::vector{EINVAL, EIO, EBUSY, EPERM, EINTR} : std::vector{ENOSPC, EIO, EINTR},
        .messages = {}};
}

std::optional<Call> classify_send(const Entry& entry) {
    auto messages = changing_messages(entry);
    if (messages.empty()) {
        return std::nullopt;
    }
    std::string names;
    for (const auto& message : messages) {
        names += (names.empty() ? "" : ", ") + message.name;
    }
    return Call{.name = "send netlink",
                .object = names,
                .changes = true,
                .errors = {ENOBUFS, EPERM, ENOMEM, EINTR},
                .messages = std::move(messages)};
}

}  // namespace

bool is_receiving(std::uint64_t number) {
    return number == SYS_recvfrom || number == SYS_recvmsg || number == SYS_recvmmsg;
}

std::optional<Call> classify(const Entry& entry) {
    switch (entry.number) {
        case SYS_open:
        case SYS_creat:
        case SYS_openat:
        case SYS_openat2:
            return classify_open(entry);
        case SYS_write:
        case SYS_pwrite64:
        case SYS_writev:
            return classify_write(entry);
        case SYS_sendto:
        case SYS_sendmsg:
        case SYS_sendmmsg:
            return classify_send(entry);
        default:
            break;
    }
    const auto found = known_calls().find(entry.number);
    if (found == known_calls().end()) {
        return std::nullopt;
    }
    const Known& known = found->second;
    const bool asks_only = entry.number == SYS_kill && entry.args[1] == 0;
    if (asks_only || (is_receiving(entry.number) && !is_netlink(entry))) {
        return std::nullopt;
    }
    Call call{.name = known.name,
              .object = object_of(entry, known),
              .changes = known.changes,
              .errors = known.errors,
              .messages = {}};
    if (!call.object.starts_with("/sys/fs/cgroup/")) {
        std::erase(call.errors, EEXIST);  // nobody else makes files where partd does
    }
    return call;
}

std::string read_memory(pid_t process, std::uint64_t address, std::size_t size) {
    std::string bytes(size, '\0');
    const iovec here{bytes.data(), size};
    const iovec there{reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr)
    const auto read = ::process_vm_readv(process, &here, 1, &there, 1, 0);
    bytes.resize(read < 0 ? 0 : static_cast<std::size_t>(read));
    return bytes;
}

bool write_memory(pid_t process, std::uint64_t address, const void* data, std::size_t size) {
    const iovec here{const_cast<void*>(data), size};
    const iovec there{reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr)
    return ::process_vm_writev(process, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

std::string read_text(pid_t process, std::uint64_t address) {
    // Page by page: the one behind the text may not be there.
    constexpr std::uint64_t kPage = 4096;
    std::string text;
    while (text.size() < kPage) {
        const std::uint64_t at = address + text.size();
        const std::string part = read_memory(process, at, kPage - at % kPage);
        const auto end = part.find('\0');
        text += part.substr(0, end);
        if (part.empty() || end != std::string::npos) {
            break;
        }
    }
    return text;
}

}  // namespace partd::fault
