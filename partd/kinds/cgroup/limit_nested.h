// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/cgroup/cgroups.h"

#include <optional>
#include <string>
#include <string_view>

namespace partd {

// Limits that cgroup v1 holds against the groups above and below: processors, memory nodes and quotas. A
// group has at most what the one above has, and at least what those below it have, or the kernel refuses.

// True if this host's kernel checks that key against the groups above and below.
bool is_nested(std::string_view key, const kernel::Cgroups& cgroups);

// Gives the group that value, whatever the groups of ours above and below have at the moment: they are
// widened as far as that takes, and narrowed to what their marks ask for once that is possible. Without a
// value, a cpuset has what the group above has, and follows it. EBUSY, in a sentence, where the value does
// not fit in above, or something below does not fit into it.
Result<> fit_nested(const kernel::Cgroups& cgroups, const std::string& group, const std::string& key,
                    const std::optional<std::string>& value);

// The order of two values of such a key: `inner` asks for nothing that `outer` has not.
bool is_within(std::string_view key, std::string_view inner, std::string_view outer);
// The smallest value that both are within.
std::string union_of(std::string_view key, const std::string& one, const std::string& other);

}  // namespace partd
