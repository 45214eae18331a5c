// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/cgroup/cgroups.h"
#include "kinds/cgroup/controls.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd {

// How a key of cgroup v2 is written on this host: by its own file on v2, by one or more of a v1 controller.
struct CgroupFiles {
    std::string controller;  // "memory"; "" for what belongs to the group itself
    std::vector<CgroupFile> files;
    std::string problem;  // why it cannot be: no controller, no such thing in v1
};

CgroupFiles files_of(std::string_view key, const std::string& value, const kernel::Cgroups& cgroups);
// True if a file with content `found` already has the value `wanted`.
bool same_cgroup_value(std::string_view found, std::string_view wanted);

// The files that hold limits of devices, and what ends one: "MAJOR:MINOR VALUE".
std::vector<CgroupFile> io_reset_files(bool v2);

// The files of cgroup v1 that say what a key of v2 does, for kControls.
std::vector<CgroupFile> cpu_shares_v1(std::string_view key, const std::string& value);
std::vector<CgroupFile> cpu_quota_v1(std::string_view key, const std::string& value);
std::vector<CgroupFile> memory_max_v1(std::string_view key, const std::string& value);
std::vector<CgroupFile> io_weight_v1(std::string_view key, const std::string& value);
std::vector<CgroupFile> hugetlb_v1(std::string_view key, const std::string& value);
// Under the same name.
std::vector<CgroupFile> same_in_v1(std::string_view key, const std::string& value);

}  // namespace partd
