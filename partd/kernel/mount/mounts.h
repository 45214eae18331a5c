// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// One line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
struct Mount {
    int id = 0;
    int parent = 0;
    std::string device;  // "0:21"
    std::string root;    // the directory of its file system that is mounted
    std::string point;
    bool shared = false;
    std::string type;     // "cgroup2"
    std::string options;  // of the file system: "rw,memory"
};

// Lines that are none are left out; octal escapes of the kernel (\040) are decoded.
std::vector<Mount> parse_mountinfo(std::string_view text);
Result<std::vector<Mount>> read_mounts();
// As read_mounts(), but cached until the kernel reports a change. The list is shared and read-only.
Result<std::shared_ptr<const std::vector<Mount>>> current_mounts();

}  // namespace partd::kernel
