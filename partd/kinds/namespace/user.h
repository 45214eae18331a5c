// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/namespaces.h"
#include "kinds/kinds.h"

namespace partd {

// One line of a uid or gid map (user_namespaces(7)).
struct IdMapping {
    std::int64_t inside = 0;
    std::int64_t outside = 0;
    std::int64_t count = 1;
    bool operator==(const IdMapping&) const = default;
    static const Table table;
};

// [partition.NAME.user]
struct User {
    std::vector<Sourced<IdMapping>> uid_map = {};
    std::vector<Sourced<IdMapping>> gid_map = {};
    std::optional<bool> automatic = {};
    static const Table table;
};

// A user namespace's maps as wanted; empty for automatic ones, which keep out of `taken`.
struct WantedMaps {
    std::vector<IdMapping> uids = {};
    std::vector<IdMapping> gids = {};
    std::vector<IdMapping> taken = {};  // by other partitions' maps
    Place at = {};                      // of the written ones
    bool operator==(const WantedMaps&) const = default;
};
WantedMaps wanted_maps(const Declared& declared, const std::string& partition);
void check_users(const Declared& declared, Diagnostics& problems);

std::vector<IdMapping> to_mappings(const kernel::IdMap& map);

// The maps for a partition's user namespace: the wanted ones, or a range of its own out of /etc/subuid and
// /etc/subgid (subuid(5), those of the user "partd", else of root), kept in /var/lib/partd/subids until
// free_range(): what a partition wrote belongs to the same users after a reboot. `keep`: false to ask which
// they would be.
Result<kernel::UserMaps> assign_maps(const kernel::Paths& paths, const std::string& partition,
                                     const WantedMaps& wanted, bool keep = true);
Result<> free_range(const kernel::Paths& paths, const std::string& partition);

// How many users and groups a map of partd's choice has.
inline constexpr std::int64_t kAutomaticIds = 65536;
// The ranges in a file of subuid(5) that are for partitions: those of the user "partd", else of root.
std::vector<IdMapping> subordinate_ranges(const std::string& path);

}  // namespace partd
