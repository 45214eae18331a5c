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

// The range inside as the host has it: as much of it as is mapped. An error where none of it is, or where it
// is several ranges on the host. What is no range stays as it is, and the empty one, "1 0".
Result<std::string> ping_groups_on_host(const kernel::IdMap& map, std::string_view inside);
// The other way round. What is not mapped is told with "outside" before it, and read so by the first.
std::string ping_groups_inside(const kernel::IdMap& map, std::string_view on_host);
// What the host has, in words for those inside: as it is wanted where that means just this.
std::string ping_groups_told(const kernel::IdMap& map, std::string_view on_host, std::string_view wanted);

// The map of the partition's groups; empty where it has no users of its own.
Result<kernel::IdMap> group_map_of(kernel::Host& host, const std::string& partition);
// What it is where no file says so: all groups of a partition with users of its own; "" where it has none.
std::string default_ping_groups(const Declared& declared, const std::string& partition);

}  // namespace partd
