// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/namespace/namespaces.h"
#include "kernel/root/rehearsal.h"

#include <string>
#include <vector>

namespace partd::kernel {

// A mount inside a partition's root.
struct ExtraMount {
    std::string source;
    std::string target;
    std::string type;                  // "bind", "tmpfs", …
    std::vector<std::string> options;  // words of mount(8), as kernel/mount/mount_words.h reads them
    bool read_only = false;
    Source at = {};  // where a file says so, for an error
};

// The file system that a partition sees.
struct RootPlan {
    std::string path = {};  // the directory that becomes its root; "": the host's tree
    bool read_only = false;
    std::string layer =
        {};  // where its own files are kept over a root that stays as it is: upper/ and work/; "": none
    bool temporary = false;               // they are kept in memory instead, as long as the mount namespace
    std::vector<ExtraMount> mounts = {};  // each after those that it stands on
    bool delegated = false;               // groups can be made below its own
    int memory = -1;                      // a mount for its /dev/shm; -1: one of its own, or the host's
    std::string etc = {};                 // "/etc/netns/NAME": its files stand over those of /etc
    std::string pins = {};                // the directory of pins, which is nothing for a partition to see
    Source at = {};                       // where a file names the path, for an error
    const RootRehearsal* rehearsal = nullptr;  // it is put together for a look alone

    [[nodiscard]] bool layered() const { return temporary || !layer.empty(); }
};

// The namespaces that it has of its own, as far as its file systems show them.
struct RootView {
    const Namespace* user = nullptr;
    UserMaps maps = {};
    bool net = false;
    bool ipc = false;
    bool pid = false;
    bool cgroup = false;
};

// Moves the calling process into a new mount namespace that is as planned, owned by the user namespace. The
// process has the host's rights and is in the other namespaces already; it is nobody in the end, so that no
// process of the partition ever saw the mounts being made. Mounts made here reach neither host nor partition
// singly: the partition's namespace is a copy, whose mounts are locked together when a user namespace owns it
// (mount_namespaces(7)), so that its root cannot take off what masks /proc.
Result<> enter_new_root(const RootPlan& plan, const RootView& view);

}  // namespace partd::kernel
