// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/root/root.h"

namespace partd::kernel {

// Moves the process to a mount namespace of its own with the host's tree, where what the host mounts and
// unmounts arrives, and from where nothing goes the other way.
Result<> copy_host_tree();
// Makes that tree show the partition's namespaces and the files of its own /etc.
Result<> show_host_tree(const RootPlan& plan, const RootView& view);
// Both, for a process with a network namespace but none of mounts, as ip-netns(8) does it.
Result<> mount_host_view(const std::string& etc);

}  // namespace partd::kernel
