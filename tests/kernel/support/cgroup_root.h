// SPDX-License-Identifier: Apache-2.0
#pragma once
// A cgroup tree of the test's own: each mounted hierarchy shows a fresh directory as its root.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::test {

struct Hierarchy {
    std::string mount_point;  ///< /sys/fs/cgroup/memory
    int version = 1;
    std::set<std::string> controllers;  ///< v1: of the mount; v2: those that the test's root may hand on
    std::string own_directory;          ///< what stands there meanwhile: /sys/fs/cgroup/memory/partd-test-123
};

/// Makes `partd-test-PID` in each hierarchy. `enter()` binds them over the mount points; it must be called in
/// a private mount namespace, and the destructor after that namespace was left.
class CgroupRoot {
public:
    CgroupRoot();
    CgroupRoot(const CgroupRoot&) = delete;
    CgroupRoot& operator=(const CgroupRoot&) = delete;
    /// Ends the processes left in the test's cgroups and removes the directories.
    ~CgroupRoot();

    void enter();
    /// Back to the cgroup namespace of before.
    void leave();

    /// Removes from this mount namespace's view the hierarchy that has the controller; false when there is
    /// none.
    bool hide(const std::string& controller);

    [[nodiscard]] const std::vector<Hierarchy>& hierarchies() const { return hierarchies_; }
    /// The one that has the controller; "" is the one where processes are counted (v2 when there is one).
    [[nodiscard]] const Hierarchy* of(const std::string& controller) const;
    /// All directories of all hierarchies, sorted: "memory:/partd.slice".
    [[nodiscard]] std::vector<std::string> tree() const;
    /// Absolute paths at which the cgroup exists, in whichever hierarchy.
    [[nodiscard]] std::vector<std::string> places(const std::string& cgroup) const;
    /// Ids of the processes directly in the cgroup.
    [[nodiscard]] std::vector<pid_t> processes(const std::string& cgroup) const;

    /// Limits in the words of cgroup v2, whatever the version here; nothing where the file is not.
    [[nodiscard]] std::optional<std::int64_t> limit(const std::string& cgroup, const std::string& key) const;
    /// Processor time as a share of one processor, in percent; nothing when unlimited.
    [[nodiscard]] std::optional<double> processor_percent(const std::string& cgroup) const;
    /// Writes a limit as an administrator's hand would.
    void set_limit(const std::string& cgroup, const std::string& key, std::int64_t value) const;

private:
    [[nodiscard]] std::string path_of(const std::string& cgroup, const std::string& key) const;

    std::vector<Hierarchy> hierarchies_;
    std::vector<Hierarchy> hidden_;  ///< by hide(): still to be removed
    int namespace_before_ = -1;
};

}  // namespace partd::test
