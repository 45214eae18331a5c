// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/type.h"

namespace partd {

// [partition.NAME.link.lo]
struct Loopback {
    std::vector<Sourced<Address>> address;
    static const Table table;
};

// [partition.NAME.link.IFNAME]: an interface of the partition, of one of the types in types/list.cpp.
extern const LiveKind kLink;

Key link_key(std::string_view partition, std::string_view link);

// The ends of a link's spec: one or two; none of what stands in a link's place.
std::vector<const LinkEnd*> ends_of(const Spec& link);

}  // namespace partd
