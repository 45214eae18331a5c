#pragma once

#include "base/error.h"
#include "kernel/host.h"

#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

struct Entry {
    std::optional<std::string> netns;  // a name
    std::optional<std::string> group;  // a cgroup
};

// Puts the calling process into a partition, as ip-netns(8) does it: its cgroup, its network namespace, a
// mount namespace of its own in which /sys tells of that namespace, /sys/fs/cgroup stays, and the files of
// /etc/netns/NAME stand over those of /etc.
Result<> enter(Host& host, const Entry& entry);

// Becomes the program, found by PATH, with that file mode creation mask; returns only with an error.
Error become(const std::vector<std::string>& command, unsigned file_mode_mask);

// Sets the file mode creation mask (umask(2)); returns the one before.
unsigned set_file_mode_mask(unsigned mask);

}  // namespace partd::kernel
