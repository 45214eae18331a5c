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

// Interfaces in partitions that have a link's names, and that partd did not make. They make way for it.
struct Strangers {
    struct One {
        std::string netns = {};
        std::string name = {};
        int index = 0;
        bool operator==(const One&) const = default;
    };
    std::vector<One> all = {};
    std::string what = {};  // "a dummy of somebody else"
    bool operator==(const Strangers&) const = default;
    static const Table table;
};

// True when a link that others made makes way for one of partd's: it is in a partition, is not hardware, and
// has no other end elsewhere that would go with it.
bool is_replaceable(const std::string& netns, const kernel::Link& link);
// "web/eth0 is an interface (dummy, index 5) that partd did not make"
std::string stranger_text(const std::string& netns, const kernel::Link& link);

}  // namespace partd
