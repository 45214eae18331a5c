// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/cgroup/cgroups.h"
#include "kernel/namespace/namespaces.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

// Where a program is to run.
struct Entry {
    std::optional<std::string> group;  // a cgroup
    std::vector<Namespace> namespaces;
    std::string etc;        // "/etc/netns/NAME", where its network but not its mounts are its own
    bool own_root = false;  // the host's paths mean nothing there

    [[nodiscard]] const Namespace* find(NamespaceType type) const;
    // True if processes inside must not get hold of the caller's terminal and environment.
    [[nodiscard]] bool isolated() const;
};

// The environment in which a program starts.
struct ExecEnvironment {
    std::optional<std::map<std::string, std::string>> environment = {};  // nullopt: this process'
    std::string directory = {};                                          // "": where this process is
    int program = -1;          // a descriptor to run instead of what the command names
    Source directory_at = {};  // where a file says so, for an error
    Source command_at = {};
    unsigned file_mode_mask = 022;
};

// Puts the calling process into the partition: its cgroup, its namespaces (all but a pid namespace, into
// which only its children go), the user namespace last and as its root. With a network namespace alone as
// ip-netns(8) does it: a mount namespace of its own in which /sys tells of that namespace and the files of
// /etc/netns/NAME stand over those of /etc.
Result<> enter(const Cgroups& cgroups, const Entry& entry, const Scope& scope);

// PATH, HOME and what tells a program that it is in a partition (systemd's container interface).
std::map<std::string, std::string> clean_environment();

// No controlling terminal and no keys of the caller's any more (setsid(2), keyctl(2)).
void leave_session();

// Becomes the program, found by PATH; returns only with an error. No descriptor above 2 is left open.
Error become(const std::vector<std::string>& command, const ExecEnvironment& surroundings);

// Goes on as the same program, started from a mount through which nobody can write: a partition's root that
// finds it under /proc/PID/exe cannot change the host's file (CVE-2019-5736). Returns only with an error, or
// at once when that is so already.
Result<> become_unwritable(char** arguments);

// partd-init: beside the running program (a build tree), else where it was installed.
std::string holder_path();

// Sets the file mode creation mask (umask(2)); returns the one before.
unsigned set_file_mode_mask(unsigned mask);

}  // namespace partd::kernel
