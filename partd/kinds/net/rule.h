// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/marks.h"
#include "kinds/net/route.h"

namespace partd {

// [[partition.NAME.rule]]: which table is asked for which packets.
struct Rule {
    std::string netns = {};
    std::optional<Prefix> from = {};
    std::optional<Prefix> to = {};
    std::optional<IfName> iif = {};
    std::optional<IfName> oif = {};
    std::optional<std::int64_t> fwmark = {};
    std::optional<std::int64_t> priority = {};
    std::optional<RouteTable> table_id = {};
    bool v6 = false;
    std::string mark = std::string(kMarked);
    std::uint8_t protocol = kProtocolMark;  // that the kernel has it under
    bool operator==(const Rule&) const = default;
    static const Table table;
};

extern const LiveKind kRule;

}  // namespace partd
