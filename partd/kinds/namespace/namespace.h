// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/machine/rootfs.h"
#include "kinds/namespace/user.h"
#include "kinds/partition.h"

namespace partd {

// [partition.NAME.time]
struct ClockSettings {
    std::optional<std::chrono::milliseconds> boottime = {};
    std::optional<std::chrono::milliseconds> monotonic = {};
    static const Table table;
};

// A namespace of a partition, pinned below /run/partd/ns: its own, or another name for one that it shares.
// Not its network namespace, which is a netns, and not that of its PID 1, which is an init.
struct PinnedNamespace {
    std::string partition = {};
    NamespaceKind type = NamespaceKind::Uts;
    std::string from = {};                  // the partition that shares it; "" for its own
    std::optional<std::string> owner = {};  // whose user namespace owns it
    std::vector<IdMapping> uid_map = {};
    std::vector<IdMapping> gid_map = {};
    std::optional<std::chrono::milliseconds> boottime = {};
    std::optional<std::chrono::milliseconds> monotonic = {};
    std::optional<std::string> root = {};  // the content of a mount namespace
    std::optional<HostName> hostname = {};
    std::optional<HostName> domainname = {};
    bool pinned = true;
    bool operator==(const PinnedNamespace&) const = default;
    static const Table table;

    // Needed to make it, besides the fields.
    WantedMaps maps = {};
    WantedRoot wanted_root = {};
    std::vector<NamespaceKind> shown = {};  // that a mount namespace's file systems show
    Place clocks = {};
};

extern const LiveKind kNamespace;
Result<> observe_namespaces(Observation& observation);
Result<> apply_namespace(ApplyContext& context, const Change& change, std::size_t number);
Result<> rehearse_namespace(Stage& stage, const Change& creation);

// Where a process of the partition's is that still lives in a namespace whose name was lost; nullopt when
// none does.
Result<std::optional<kernel::Namespace>> find_lost(kernel::Host& host, const std::string& partition,
                                                   NamespaceKind type, const std::string& identity);
// As find_lost(), but for a lost ledger and so without an identity: any such namespace other than the host's.
Result<std::optional<kernel::Namespace>> find_unknown(kernel::Host& host, const std::string& partition,
                                                      NamespaceKind type);

}  // namespace partd
