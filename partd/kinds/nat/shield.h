#pragma once

#include "kinds/kinds.h"

namespace partd {

// A filter on the host's end of a link that keeps its partition from the host's 127.0.0.0/8 where the link
// may route it (route_localnet). It stands before that switch is turned on, and a flush of nftables leaves it
// alone.
struct Shield {
    bool operator==(const Shield&) const = default;
    static const Table table;
};

extern const LiveKind kShield;

// Adds the wish for one on this end of that link; returns its key.
Key want_shield(State& desired, const std::string& end, const Key& link, const std::string& owner,
                const Source& source);

}  // namespace partd
