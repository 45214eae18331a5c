#pragma once

#include "kinds/kinds.h"

namespace partd {

// What keeps a partition from the host's 127.0.0.0/8 where its link may route it (route_localnet): a filter
// on the host's end that stands before that switch is turned on, and that a flush of nftables leaves alone.
struct Shield {
    bool operator==(const Shield&) const = default;
    static const Table table;
};

extern const LiveKind kShield;

// Adds the wish for one on this end of that link; returns its key.
Key want_shield(State& desired, const std::string& end, const Key& link, const std::string& owner,
                const Source& source);

}  // namespace partd
