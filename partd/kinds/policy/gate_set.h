// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/nft/nftables.h"

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd::nat {

// A set of the gate: those who may open connections, and what those may be. Its key begins with the host's
// end of the partition's link, as a packet of the opener's passes it: of the partition that reaches, the
// interface by which it comes in; of the partition that admits, the one by which it leaves. Ranges of ports
// and prefixes are hashes of what is masked, a set for each length in use: neither finding an element nor
// adding one takes longer with more of them.
struct GateSet {
    enum class Side : std::uint8_t { Reach, Admit };
    enum class Far : std::uint8_t { Any, Outside, Host, Partition, Prefix };
    Side side = Side::Reach;
    Far far = Far::Any;
    bool v6 = false;                         // of a prefix
    std::uint8_t length = 0;                 // of a prefix
    std::optional<std::uint8_t> ports = {};  // leading bits of the port that count; 0: a protocol's packets
                                             // all; nullopt: every packet

    // "outward", "reach4_24", "outward_p16".
    [[nodiscard]] std::string name() const;
    static std::optional<GateSet> parse(std::string_view name);
    // True if it is always there.
    [[nodiscard]] bool is_fixed() const { return far != Far::Prefix && !ports; }
    // Its key begins with two interfaces.
    [[nodiscard]] bool has_pair() const { return far == Far::Partition; }
    [[nodiscard]] std::vector<kernel::nft::Part> key() const;
    auto operator<=>(const GateSet&) const = default;
};

// The names of the sets of the gate that are always there.
std::vector<std::string> fixed_gate_sets();

// Ports from `first` on that have their leading `bits` bits in common: 5000 with 13 is 5000-5007.
struct PortBlock {
    std::uint16_t first = 0;
    std::uint8_t bits = 0;

    [[nodiscard]] std::uint16_t last() const { return static_cast<std::uint16_t>(first | (0xffffU >> bits)); }
    bool operator==(const PortBlock&) const = default;
};
// The fewest blocks that are these ports, 30 at most.
std::vector<PortBlock> port_blocks(std::uint16_t first, std::uint16_t last);

}  // namespace partd::nat
