// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/partition.h"
#include "reconcile/engine.h"

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace partd::verbs {

// A namespace of the host, with those who are in it and what holds it.
struct NamespaceRow {
    NamespaceKind type = NamespaceKind::Net;
    std::size_t processes = 0;
    pid_t pid = 0;  // the lowest in it
    std::string command;
    std::optional<ino_t> parent;  // of pid and user namespaces
    std::optional<ino_t> owner;   // the user namespace that it belongs to
    std::optional<uid_t> uid;     // the user who made that
    std::vector<std::string> partitions;
    std::vector<std::string> paths;
};
using NamespaceRows = std::map<ino_t, NamespaceRow>;  // by inode

// All namespaces that have a process or a name.
Result<NamespaceRows> namespace_rows(kernel::Host& host, const Inspection& view);

}  // namespace partd::verbs
