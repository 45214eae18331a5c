// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/root/root.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/membership.h"

#include <memory>
#include <optional>
#include <vector>

namespace partd {

// The namespaces that a partition's file systems show: sysfs its network, mqueue its queues, cgroup2 its
// groups.
std::vector<NamespaceKind> shown_types(const Membership& membership);
// Adds the dependencies of these mounts: namespaces, a kept layer, DNS files.
void add_shown_needs(const Declared& declared, const Membership& membership, Resource& resource);

// Everything that mounting them takes, open.
struct OpenedRoot {
    std::vector<kernel::Namespace> shown;
    std::optional<kernel::Namespace> user;
    kernel::UserMaps maps;
    kernel::RootPlan plan;
    Fd memory = {};  // for its /dev/shm, where that comes with its IPC namespace
    std::unique_ptr<kernel::RootRehearsal> rehearsal = {};

    // Takes away what a rehearsal left in the file system.
    void clean_up(const kernel::Paths& paths) const;
    [[nodiscard]] std::vector<const kernel::Namespace*> joined() const;
    [[nodiscard]] kernel::RootView view() const;
};
Result<OpenedRoot> prepare_root(Stage& stage, const std::string& partition, const WantedRoot& wanted,
                                const std::vector<NamespaceKind>& shown);
// Takes away what a killed rehearsal left.
void remove_rehearsals(const kernel::Paths& paths);

}  // namespace partd
