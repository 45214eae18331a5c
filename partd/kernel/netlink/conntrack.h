// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/values.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// A port that was forwarded (DNAT) to an endpoint.
struct Forwarded {
    Protocol protocol = Protocol::Tcp;
    std::uint16_t port = 0;
    Endpoint to;
};

// A rule that gives flows from some sources another source or destination (SNAT, DNAT).
struct Translation {
    Prefix source;
    // Of the destination: the protocol and the port before it; at that address, or at every local one.
    struct Listen {
        Protocol protocol = Protocol::Tcp;
        std::uint16_t port = 0;
        std::optional<Ip> address = {};
        auto operator<=>(const Listen&) const = default;
    };
    std::optional<Listen> listen = {};  // nullopt: the source is translated
    std::optional<Ip> to = {};          // the source that it gets; nullopt: that of the interface
    // Of the source: the interface by which the flow leaves the host, "" for any, and those by which it
    // keeps its source.
    std::string out = {};
    std::set<std::string> not_out = {};
    auto operator<=>(const Translation&) const = default;
};

// Ends the connection-tracking entries in the calling thread's network namespace that began without such a
// translation and would have had it: the kernel decides with a flow's first packet, and keeps that as long as
// the flow goes on. Returns how many; 0 where the kernel does not tell of connections.
Result<unsigned> end_untranslated(const std::set<Translation>& translations);

// Ends those that one of these gave another source, unless one of `standing` would give them the same.
Result<unsigned> end_translated(const std::set<Translation>& gone, const std::set<Translation>& standing);

// Ends the connection-tracking entries that these forwards made in the calling thread's network namespace
// (nf_conntrack_netlink). Returns how many.
Result<unsigned> end_forwarded(const std::vector<Forwarded>& forwards);

}  // namespace partd::kernel
