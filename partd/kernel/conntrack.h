#pragma once

#include "base/error.h"
#include "base/values.h"

#include <vector>

namespace partd::kernel {

// A port that was forwarded (DNAT) to an endpoint.
struct Forwarded {
    Protocol protocol = Protocol::Tcp;
    std::uint16_t port = 0;
    Endpoint to;
};

// Ends the connection-tracking entries that these forwards made in the calling thread's network namespace
// (nf_conntrack_netlink). Returns how many.
Result<unsigned> end_forwarded(const std::vector<Forwarded>& forwards);

}  // namespace partd::kernel
