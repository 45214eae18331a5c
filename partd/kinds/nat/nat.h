// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// One element of `masquerade = [...]`.
struct Masquerade {
    Prefix source;
    std::optional<IfName> out;
    static const Table table;
    bool operator==(const Masquerade&) const = default;
};

// One element of `snat = [...]`.
struct SourceNat {
    Prefix source;
    Ip to;
    std::optional<IfName> out;
    static const Table table;
    bool operator==(const SourceNat&) const = default;
};

// `masquerade`: true, or a list.
struct MasqueradeList {
    bool own = false;  // the partition's own prefixes, by any other interface
    std::vector<Sourced<Masquerade>> list;
    bool operator==(const MasqueradeList&) const = default;
};

// [partition.NAME.nat]
struct Nat {
    std::optional<MasqueradeList> masquerade;
    std::vector<Sourced<SourceNat>> snat;
    static const Table table;
};

// [[partition.NAME.nat.forward]]
struct Forward {
    PortRange listen;
    std::vector<Ip> address;
    Endpoint to;
    std::vector<Prefix> from;
    static const Table table;
};

extern const LiveKind kNat;

// True if the partition's packets get another source address on the host.
bool translates_sources(const Declared& declared, std::string_view partition);
bool has_forwards(const Declared& declared, std::string_view partition);

}  // namespace partd
