// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/namespaces.h"
#include "kinds/kinds.h"

#include <string>
#include <string_view>

namespace partd {

// net.ipv4.ping_group_range: who may send echo requests without rights (icmp(7)). The kernel takes and tells
// the groups' numbers as whoever writes and reads it has them, which is the host; a file means those inside.
inline constexpr char kPingGroups[] = "net/ipv4/ping_group_range";

// Translates a range of group ids inside to the host's, as much of it as is mapped. Error if none is mapped
// or it becomes several ranges on the host. The empty range "1 0" and a text that is not a range are returned
// as they are.
Result<std::string> ping_groups_on_host(const kernel::IdMap& map, std::string_view inside);
// Translates the host's range back. A range that is not wholly mapped gets the prefix "outside", which
// ping_groups_on_host() undoes.
std::string ping_groups_inside(const kernel::IdMap& map, std::string_view on_host);
// The host's range as seen inside; `wanted` itself if it means the same range.
std::string ping_groups_told(const kernel::IdMap& map, std::string_view on_host, std::string_view wanted);

// The map of the partition's groups; empty where it has no users of its own.
Result<kernel::IdMap> group_map_of(kernel::Host& host, const std::string& partition);
// The default: all groups of a partition with a user namespace of its own; "" without one.
std::string default_ping_groups(const Declared& declared, const std::string& partition);

}  // namespace partd
