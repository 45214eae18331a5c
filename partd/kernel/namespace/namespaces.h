// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// The kinds of namespaces(7).
enum class NamespaceType : std::uint8_t { Net, Mnt, Pid, Uts, Ipc, User, Cgroup, Time };
inline constexpr std::array kNamespaceTypes = {NamespaceType::Net,    NamespaceType::Mnt, NamespaceType::Pid,
                                               NamespaceType::Uts,    NamespaceType::Ipc, NamespaceType::User,
                                               NamespaceType::Cgroup, NamespaceType::Time};
// Its name below /proc/PID/ns: "uts".
std::string_view namespace_name(NamespaceType type);
// Its flag for clone(2), setns(2) and ioctl_ns(2).
int namespace_flag(NamespaceType type);

// An open namespace: a descriptor of nsfs.
class Namespace {
public:
    // EINVAL for any other file, and for a namespace of another type.
    static Result<Namespace> from(Fd fd, NamespaceType type);
    // The one a process is in.
    static Result<Namespace> of_process(pid_t pid, NamespaceType type);
    static Result<Namespace> current(NamespaceType type);
    // The one that its children will be in, of a pid or time namespace.
    static Result<Namespace> of_children(pid_t pid, NamespaceType type);

    [[nodiscard]] int fd() const { return fd_.get(); }
    // Its descriptor, for somebody else to keep.
    [[nodiscard]] Fd release() && { return std::move(fd_); }
    [[nodiscard]] NamespaceType type() const { return type_; }
    [[nodiscard]] ino_t inode() const { return inode_; }
    // The kernel's number for it: never used again during a boot where it has NS_GET_ID (Linux 6.18), else
    // the inode.
    [[nodiscard]] const std::string& identity() const { return identity_; }

private:
    Namespace(Fd fd, NamespaceType type, ino_t inode, std::string identity)
        : fd_(std::move(fd)), type_(type), inode_(inode), identity_(std::move(identity)) {}

    Fd fd_;
    NamespaceType type_;
    ino_t inode_;
    std::string identity_;
};

// Ancestors of a namespace by ioctl_ns(2): the inode of the user namespace that owns it, and of its parent
// (pid and user namespaces). nullopt if that is out of sight; an error if descriptors or memory are short.
Result<std::optional<ino_t>> owner_of(int fd);
Result<std::optional<ino_t>> parent_of(int fd);
// The user that made a user namespace, or the one that owns a namespace of another type.
std::optional<uid_t> owner_uid_of(int fd);

// One line of a uid or gid map (user_namespaces(7)).
struct IdRange {
    std::uint32_t inside = 0;
    std::uint32_t outside = 0;
    std::uint32_t count = 0;
    bool operator==(const IdRange&) const = default;
};
using IdMap = std::vector<IdRange>;
IdMap parse_id_map(std::string_view text);
std::string id_map_text(const IdMap& map);
// The host's number for one inside; nullopt when it is not mapped.
std::optional<std::uint32_t> outside_id(const IdMap& map, std::uint32_t inside);

struct UserMaps {
    IdMap uids;
    IdMap gids;
};

// Offsets of a time namespace's clocks (time_namespaces(7)).
struct ClockOffsets {
    std::chrono::milliseconds monotonic{0};
    std::chrono::milliseconds boottime{0};
};

// Makes a namespace, owned by that user namespace (or this process' own for nullptr). `prepare` runs in the
// process that makes it, before it does: to join a control group, say.
Result<Namespace> make_namespace(NamespaceType type, const Namespace* user,
                                 const std::function<Result<>()>& prepare = {});
Result<Namespace> make_user_namespace(const UserMaps& maps);
Result<Namespace> make_time_namespace(const Namespace* user, const ClockOffsets& offsets);

Result<UserMaps> read_maps(const Namespace& user);
Result<ClockOffsets> read_offsets(const Namespace& time);

// The names of a UTS namespace (uname(2)).
struct HostNames {
    std::string host;
    std::string domain;
};
Result<HostNames> read_names(const Namespace& uts);
// Sets those that have a value.
Result<> set_names(const Namespace& uts, const std::optional<std::string>& host,
                   const std::optional<std::string>& domain);

// Puts the calling process into the namespace; the processes it makes afterwards, of a pid namespace.
Result<> join(const Namespace& target);
// Enters a user namespace as its root, without supplementary groups. Join all other namespaces before.
Result<> join_as_root(const Namespace& user);

}  // namespace partd::kernel
