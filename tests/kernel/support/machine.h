// SPDX-License-Identifier: Apache-2.0
#pragma once
// A light machine's root tree, and what the host's own files say about a partition's namespaces and
// processes.

#include "sandbox.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace partd::test {

/// As in /proc/PID/ns.
constexpr std::array<const char*, 8> kNamespaceTypes = {"net", "mnt",  "pid",    "uts",
                                                        "ipc", "user", "cgroup", "time"};

/// A root directory at /srv/machines/NAME with busybox under all its names and root in /etc/passwd, in the
/// memory of the sandbox. Only root can enter the directory above it.
class RootTree {
public:
    explicit RootTree(const std::string& name = "lightvm");

    [[nodiscard]] const std::string& path() const { return path_; }
    /// Copies one of the host's programs there, with the libraries that it loads.
    void add_program(const std::string& program) const;
    /// Every file with type, mode, owner, size, time of change and a sum over its bytes, for difference().
    [[nodiscard]] Snapshot content() const;

private:
    std::string path_;
};

/// Inode of what is at the path, links followed; 0 when nothing is.
unsigned long inode_at(const std::string& path);
/// True if the path is a namespace.
bool is_namespace(const std::string& path);
/// Where a partition's namespace is pinned: /run/netns/web, /run/partd/ns/web/uts. A shared net is a pin too.
std::string pin(const std::string& partition, const std::string& type);
/// Keeps the partition's namespaces from being forgotten, for then the kernel gives their inodes to others.
class Hold {
public:
    explicit Hold(const std::string& partition);
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();

private:
    std::vector<int> opened_;
};

/// Inode of the namespace that the process is in; 0 when it is gone.
unsigned long namespace_of(pid_t process, const std::string& type);
/// Of the test, which is of the host.
unsigned long host_namespace(const std::string& type);

/// 'S', 'Z' and so on (proc(5)); 0 when it is gone.
char state_of(pid_t process);
std::string comm_of(pid_t process);
bool alive(pid_t process);
/// PID 1 of the partition, by its number on the host.
std::optional<pid_t> init_of(const std::string& partition);
/// Everybody in the partition's pid namespace, zombies too, by their numbers on the host.
std::vector<pid_t> inhabitants(const std::string& partition);
/// The number of zombies among them.
long zombies(const std::string& partition);

/// "partd.slice/partd-web.slice", escaped as systemd does.
std::string group_of(const std::string& partition);
/// `partctl exec PARTITION -- COMMAND…`
Outcome exec_in(const Sandbox& sandbox, const std::string& partition, const Arguments& command,
                const RunOptions& options = {});
/// Its stdout without the last line's end; throws when it fails.
std::string said_in(const Sandbox& sandbox, const std::string& partition, const Arguments& command);
/// A command that stays in the partition; returns when it runs there.
Background stay_in(Sandbox& sandbox, const std::string& partition,
                   const Arguments& command = {"sleep", "60"});

/// `nsenter` with these arguments: its stdout without the last line's end; throws when it fails.
std::string nsenter(const Arguments& arguments);
/// Entry of `partctl ns --json` with that inode; null when it has none.
Json ns_entry(const Json& listed, unsigned long inode);

/// Applies twice: the first must leave no difference, the second must write nothing.
void settle(const Sandbox& sandbox);
/// Changes that `partctl diff` wants, "create namespace web/uts" a line each.
std::string wanted_changes(const Sandbox& sandbox);

}  // namespace partd::test
