// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/type.h"

namespace partd {

// Interfaces in partitions that have the names of a link's ends and that partd did not make. They are removed
// to make room for the link.
struct Strangers {
    std::vector<LinkEnd> ends = {};
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
