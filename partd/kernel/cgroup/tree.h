// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace partd::kernel {

// The groups below a control group, whoever made them. They are reached by descriptors, so that neither the
// depth nor the bytes of their names matter; no link is followed and no mount crossed, and none above is
// touched.

// One of them: its open directory, and its path below the directory where the walk began ("a/b").
struct InnerGroup {
    int directory = -1;
    std::string path;
};

// Calls `each` for all groups below the directory, parents first, until it returns false. Groups that vanish
// meanwhile and mount points are skipped; a group that cannot be looked at for another reason, like a
// shortage of descriptors or memory, is an error.
Result<> for_groups_below(const std::string& directory, const std::function<bool(const InnerGroup&)>& each);

// The processes in the group itself; none when it is gone or has only threads.
Result<std::set<pid_t>> processes_in(int directory);

// The reason why a group cannot be removed.
struct Obstacle {
    std::string path;  // below the directory; "" is itself
    std::string what;  // "process 12 (sleep) lives there", "something is mounted there"
    [[nodiscard]] std::string text(const std::string& directory) const;
};

// The first of them, or why that cannot be known; nullopt when there is none.
std::optional<Obstacle> find_obstacle(const std::string& directory);

// The attribute of a group below which none can be made while it is removed: the number that was allowed
// before.
inline constexpr char kClosedMark[] = "trusted.partd.closed";

// Makes a group. Where somebody has forbidden that in one of partd's above it (cgroup.max.descendants,
// cgroup.max.depth), it is allowed again. Returns 0, or the errno.
int make_group(const std::string& path);
// Allows groups below one again, as a removal that was killed left it.
Result<> open_again(const std::string& directory);

// Removes a group with `inner`: with all below it, but for those that bear our mark; else alone. Tries again
// as long as it gets on, at most until then: programs may make groups meanwhile, where the kernel cannot
// forbid it (cgroup.max.descendants). EBUSY names what is in the way. Absent is success.
Result<> remove_group(const std::string& directory, bool inner,
                      std::chrono::steady_clock::time_point deadline);

}  // namespace partd::kernel
