// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/cgroup/units.h"
#include "kernel/process/processes.h"

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// The groups above one, below the root, outermost first, and itself.
std::vector<std::string> path_down(const std::string& group);

// The resource usage of a group; nullopt if the controller does not account it.
struct CgroupUse {
    std::optional<std::uint64_t> memory = {};  // bytes
    std::optional<double> cpu_seconds = {};
    std::optional<std::uint64_t> read = {};  // bytes from block devices, and to them
    std::optional<std::uint64_t> written = {};
    std::optional<std::uint64_t> processes = {};
};

// A group that bears our mark.
struct MarkedGroup {
    std::string path = {};                     // below the hierarchy's root
    std::string owner = {};                    // from the mark
    std::string identity = {};                 // the kernel's number for this very group
    std::vector<std::string> attributes = {};  // names of all that is kept with it
};

// The processes in one group, without those below it.
struct GroupMembers {
    std::string path = {};  // below the hierarchy's root
    std::set<pid_t> processes = {};
};

// The control group hierarchies of this host (cgroups(7)): one cgroup2, v1 controllers each on a mount of its
// own, or both (hybrid). Groups are named by their path below a hierarchy's root:
// "partd.slice/partd-web.slice".
class Cgroups {
public:
    // From the mounts; with none at all every operation says so. `root` is "" but in tests.
    static Result<Cgroups> find(const std::string& root = "");

    // The only writer of groups where it is PID 1 and all is cgroup2; nullptr elsewhere, where partd writes
    // itself.
    [[nodiscard]] Systemd* systemd() const { return systemd_.get(); }

    // The directory of the group in which its processes live: cgroup2 where it is mounted.
    [[nodiscard]] std::string home(const std::string& group) const;
    // Where a controller ("memory") is: v2, a v1 mount, or nowhere on this host.
    enum class Version : std::uint8_t { None, V1, V2 };
    [[nodiscard]] Version version(const std::string& controller) const;
    // The group's directory in that controller's hierarchy.
    [[nodiscard]] std::string directory(const std::string& controller, const std::string& group) const;

    // The group's directories, in every hierarchy where it is.
    [[nodiscard]] std::vector<std::string> directories(const std::string& group) const;

    [[nodiscard]] bool present(const std::string& group) const;
    // The kernel's number for this very group; "" when it is not there.
    [[nodiscard]] std::string identity(const std::string& group) const;
    // Makes the group where its processes live, marked. An existing one without a mark is EEXIST. A slice
    // where systemd is the writer.
    Result<> create(const std::string& group, const std::string& owner) const;
    // Makes the controller usable in the group: enables it from the root down (v2), or makes the group in the
    // controller's own hierarchy and moves its processes there as well (v1).
    Result<> enable(const std::string& controller, const std::string& group, const std::string& owner) const;
    // Removes the group from all hierarchies where it is marked; with `inner`, also the groups below it,
    // whoever made them, as those of one that was delegated in any case. Absent is success; EBUSY, naming
    // what is in the way, while somebody lives in it.
    Result<> remove(const std::string& group, bool inner) const;
    // Removes the group of a creation that was interrupted: it has no mark, and only the hierarchy of
    // processes has it.
    Result<> remove_unmarked(const std::string& group) const;

    // The mark's owner; "" when it has none.
    [[nodiscard]] std::string owner(const std::string& group) const;
    // True if a group without a mark is our slice, made anew by a restart of its unit.
    [[nodiscard]] bool made_anew(const std::string& group) const;
    // A group of ours; nullopt without a mark.
    [[nodiscard]] std::optional<MarkedGroup> look(const std::string& group) const;
    // Our groups, from their marks, those above first; an error when they cannot all be listed.
    [[nodiscard]] Result<std::vector<MarkedGroup>> marked() const;
    // Processes in the group and those below it.
    [[nodiscard]] Result<std::set<pid_t>> processes(const std::string& group) const;
    // Processes in the group and those below it in any hierarchy: in one of v1 there may be others than in
    // the first.
    [[nodiscard]] Result<std::set<pid_t>> processes_anywhere(const std::string& group) const;
    // The group and all below it, parents first, each with the processes in itself.
    [[nodiscard]] Result<std::vector<GroupMembers>> members_below(const std::string& group) const;
    // Of processes, those that are there still.
    [[nodiscard]] Meant members(const std::string& group) const;
    // Moves the calling process into the group, in every hierarchy where it is, or into a scope of its own
    // below it where systemd is the writer; an error where that would stop it.
    Result<> join(const std::string& group, const Scope& scope) const;
    // Joins temporarily, so that a cgroup namespace created meanwhile has this group as its root.
    Result<> touch(const std::string& group) const;
    // Kills all that lives in the group and below: cgroup.kill where there is one. False where there is none.
    bool kill(const std::string& group) const;
    // Stops all that lives in the group and below, or lets it go on (cgroup.freeze, or the freezer of v1).
    Result<> freeze(const std::string& group, bool frozen) const;
    // True if the group is frozen, by itself or by a group above it.
    [[nodiscard]] bool frozen(const std::string& group) const;
    // Bytes of memory in use; nullopt when the group's memory is not accounted.
    [[nodiscard]] std::optional<std::uint64_t> memory(const std::string& group) const;
    [[nodiscard]] CgroupUse use(const std::string& group) const;

private:
    [[nodiscard]] std::vector<std::string> roots() const;

    std::string unified_;  // mount point of cgroup2
    std::set<std::string> unified_controllers_;
    std::map<std::string, std::string> v1_;  // controller → mount point
    std::string root_;
    std::unique_ptr<Systemd> systemd_;
};

// The extended attribute that marks a group as ours; its value is the owner.
inline constexpr char kCgroupMark[] = "trusted.partd";

}  // namespace partd::kernel
