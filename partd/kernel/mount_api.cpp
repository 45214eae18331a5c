#include "kernel/mount_api.h"

#include "base/text.h"
#include "kernel/files.h"

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

Result<> set(int tree, mount_attr attributes, bool recursive, const char* doing) {
    const int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    if (syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof attributes) != 0) {
        return fail_errno(doing);
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

Result<> set_propagation(int tree, std::uint64_t type) {
    return set(tree, {.attr_set = 0, .attr_clr = 0, .propagation = type, .userns_fd = 0}, true,
               "set the mount's propagation");
}

Result<> clear_attributes(int tree, std::uint64_t attributes) {
    return set(tree, {.attr_set = 0, .attr_clr = attributes, .propagation = 0, .userns_fd = 0}, false,
               "take back the mount's flags");
}

Result<> map_ids(int tree, int user) {
    return set(tree,
               {.attr_set = MOUNT_ATTR_IDMAP,
                .attr_clr = 0,
                .propagation = 0,
                .userns_fd = static_cast<std::uint64_t>(user)},
               true, "map the owners of its files");
}

Result<Fd> open_plain(const std::string& path) {
    auto root = open_directory("/", false);
    PARTD_TRY(root);
    auto opened = open_below(root->get(), path.substr(path.find_first_not_of('/')), O_PATH);
    if (!opened && opened.error().code == ELOOP) {
        return fail(ELOOP, path + ": a symbolic link is on the way, name the place where it leads");
    }
    return opened
               ? std::move(opened)
               : std::unexpected(Error{opened.error().code, path + ": " + errno_text(opened.error().code)});
}

Result<Fd> open_target(int root, const std::string& path, bool directory,
                       const std::function<void(std::string_view)>& made) {
    Fd at(fcntl(root, F_DUPFD_CLOEXEC, 0));
    std::string way;
    const auto parts = split(path, '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string name(parts[i]);
        if (name.empty() || name == ".") {
            continue;
        }
        const bool is_directory = directory || i + 1 < parts.size();
        auto next = open_below(at.get(), name, O_PATH | (is_directory ? O_DIRECTORY : 0));
        if (!next && next.error().code == ENOENT) {
            const int result = is_directory ? mkdirat(at.get(), name.c_str(), 0755)
                                            : mknodat(at.get(), name.c_str(), S_IFREG | 0644, 0);
            if (result != 0) {
                return fail_errno("make a place for " + path);
            }
            if (made) {
                made(way + name);
            }
            next = open_below(at.get(), name, O_PATH | (is_directory ? O_DIRECTORY : 0));
        }
        if (!next) {
            return std::unexpected(std::move(next).error().wrap(path));
        }
        at = std::move(*next);
        way += name + "/";
    }
    return at;
}

}  // namespace partd::kernel
