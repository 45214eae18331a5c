// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// The table inet partd without its elements.
struct NatTable {
    std::vector<std::string> chains;
    std::vector<std::string> sets;
    std::vector<std::string> rules;  // "chain: comment", in order
    bool dormant = false;
    bool operator==(const NatTable&) const = default;
    static const Table table;
};

extern const LiveKind kTable;

Key table_key();

}  // namespace partd
