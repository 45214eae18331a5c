// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/cgroup/cgroups.h"
#include "kernel/child/child.h"
#include "kernel/namespace/namespaces.h"
#include "kernel/root/root.h"
#include "kernel/session/privileges.h"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// The PID 1 of a partition that is to be started.
struct BootPlan {
    std::string group = {};
    std::vector<const Namespace*> namespaces = {};  // to be in, but for user, pid and mnt
    const Namespace* user = nullptr;
    const Namespace* mnt = nullptr;     // another partition's
    std::string etc = {};               // as of RootPlan; where it has a network but no mount namespace
    std::optional<RootPlan> root = {};  // a mount namespace of its own
    RootView view = {};
    std::vector<std::string> command = {};  // empty: partd-init
    std::map<std::string, std::string> environment = {};
    std::string working_directory = {};  // "": the root
    Privileges privileges = {};
    unsigned file_mode_mask = 022;
    Source command_at = {};  // where a file says so, for an error
    Source directory_at = {};
};

struct Booted {
    Namespace pid;
    std::optional<Namespace> mnt;
};

// Makes a pid namespace with its PID 1, and its mount namespace. `pin` gives the namespaces their names when
// all is ready and before PID 1 runs the command: with an error of it, or when this process dies before, PID
// 1 ends. Afterwards nothing ties it to this process, but that a command's end is reported as long as the
// child that is returned lives; nullopt for partd-init.
Result<std::optional<Child>> boot(const Cgroups& cgroups, const BootPlan& plan,
                                  const std::function<Result<>(const Booted&)>& pin);
// Starts the command once more and ends it after that time, if it does not do so itself; returns the last 2
// KiB that it wrote. Live programs have no such output: whoever reads it would have to stay as long as they
// do.
std::string hear(const Cgroups& cgroups, const BootPlan& plan, std::chrono::milliseconds time);
// Makes all of it, outside of the group, up to the point where the kernel has loaded the program and not yet
// run it; then it is gone again. Where nobody may trace (Yama), whether the program can be loaded stays open.
Result<> rehearse_boot(const Cgroups& cgroups, const BootPlan& plan);

// Makes a mount namespace alone, without a pid namespace.
Result<Namespace> make_mount_namespace(const std::vector<const Namespace*>& others, const RootPlan& root,
                                       const RootView& view);

}  // namespace partd::kernel
