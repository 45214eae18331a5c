#pragma once

#include "kernel/cgroups.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd {

// One file of a control group and what it has to say.
struct CgroupFile {
    std::string name;
    std::string value;
    // What a kernel with another scheduler has in its place.
    std::string other_name = {};
    std::string other_value = {};
};

// How a key of cgroup v2 is written on this host: by its own file on v2, by one or more of a v1 controller.
struct CgroupFiles {
    std::string controller;  // "memory"; "" for what belongs to the group itself
    std::vector<CgroupFile> files;
    std::string problem;  // why it cannot be: no controller, no such thing in v1
};

CgroupFiles files_of(std::string_view key, const std::string& value, const kernel::Cgroups& cgroups);
// Whether a file that holds `found` needs no writing to hold `wanted`.
bool same_cgroup_value(std::string_view found, std::string_view wanted);

// The files that hold limits of devices, and what ends one: "MAJOR:MINOR VALUE".
std::vector<CgroupFile> io_reset_files(bool v2);

bool is_limit_key(std::string_view key);
// What the kernel has in a new group.
std::string_view default_of(std::string_view key);

}  // namespace partd
