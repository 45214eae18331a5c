// SPDX-License-Identifier: Apache-2.0
#include "kernel/mount/mount_api.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

Fd as_fd(long result) {
    return Fd(static_cast<int>(result));
}

Result<> set(int tree, mount_attr attributes, bool recursive, const char* context) {
    const int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    if (syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof attributes) != 0) {
        return fail_errno(context);
    }
    return {};
}

// The last thing that the file system has to say (fsopen(2)): better than an errno.
std::string last_word(int context) {
    std::array<char, 512> buffer;
    const ssize_t size = read(context, buffer.data(), buffer.size());
    return size > 2 ? fmt::format(" ({})", trim({buffer.data() + 2, static_cast<std::size_t>(size - 2)}))
                    : "";
}

std::unexpected<Error> refused(int context, const std::string& type) {
    const int code = errno;
    return fail(code, fmt::format("mount {}{}", type, last_word(context)));
}

}  // namespace

Result<Fd> clone_tree(int at, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
                           (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    Fd tree = as_fd(syscall(SYS_open_tree, at, "", flags));
    if (!tree) {
        return fail_errno("clone the mount");
    }
    return tree;
}

Result<Fd> new_mount(const std::string& type, std::span<const std::pair<std::string, std::string>> options,
                     std::uint64_t attributes) {
    const Fd context = as_fd(syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC));
    if (!context) {
        return fail_errno("mount " + type);
    }
    const auto is_source = [](const auto& option) { return option.first == "source"; };
    if (std::ranges::none_of(options, is_source)) {
        syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "source", type.c_str(), 0);
    }
    for (const auto& [key, value] : options) {
        const int command = value.empty() ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
        const char* text = value.empty() ? nullptr : value.c_str();
        if (syscall(SYS_fsconfig, context.get(), command, key.c_str(), text, 0) != 0) {
            return refused(context.get(), fmt::format("{} with {}={}", type, key, value));
        }
    }
    if (syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        return refused(context.get(), type);
    }
    Fd tree = as_fd(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, attributes));
    if (!tree) {
        return refused(context.get(), type);
    }
    return tree;
}

Result<> attach(int tree, int target) {
    const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    if (syscall(SYS_move_mount, tree, "", target, "", flags) != 0) {
        return fail_errno("attach the mount");
    }
    return {};
}

Result<> set_attributes(int tree, std::uint64_t attributes, bool recursive) {
    return set(tree, {.attr_set = attributes, .attr_clr = 0, .propagation = 0, .userns_fd = 0}, recursive,
               "set the mount's flags");
}

Result<> set_propagation(int tree, std::uint64_t type, bool recursive) {
    return set(tree, {.attr_set = 0, .attr_clr = 0, .propagation = type, .userns_fd = 0}, recursive,
               "set the mount's propagation");
}

Result<> clear_attributes(int tree, std::uint64_t attributes) {
    return set(tree, {.attr_set = 0, .attr_clr = attributes, .propagation = 0, .userns_fd = 0}, false,
               "take back the mount's flags");
}

Result<> set_access_times(int tree, std::uint64_t which, bool recursive) {
    return set(tree,
               {.attr_set = which & MOUNT_ATTR__ATIME,
                .attr_clr = MOUNT_ATTR__ATIME,
                .propagation = 0,
                .userns_fd = 0},
               recursive, "set the mount's times of access");
}

Result<> map_ids(int tree, int user) {
    return set(tree,
               {.attr_set = MOUNT_ATTR_IDMAP,
                .attr_clr = 0,
                .propagation = 0,
                .userns_fd = static_cast<std::uint64_t>(user)},
               true, "map the owners of its files");
}

}  // namespace partd::kernel
