// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/nft/packet_fate.h"

#include <algorithm>
#include <array>
#include <span>

namespace partd::kernel::nft {

// Result of a condition: false, true, true for some packets of the kind, or undecidable.
enum class Match : std::uint8_t { No, Yes, Some, Unclear };

inline Match inverted(Match match) {
    return match == Match::No ? Match::Yes : match == Match::Yes ? Match::No : match;
}
inline Match both(Match a, Match b) {
    return a == Match::No || b == Match::No ? Match::No : std::max(a, b);
}
inline Match either(Match a, Match b) {
    return a == Match::Yes || b == Match::Yes ? Match::Yes : std::max(a, b);
}
inline Match match_if(bool holds) {
    return holds ? Match::Yes : Match::No;
}

using Bytes = std::span<const std::uint8_t>;
using PortPair = std::pair<std::uint16_t, std::uint16_t>;

// The port that two bytes of a packet say; 0 for less.
std::uint16_t port_at(Bytes bytes);
// A range of ports against [first, last].
Match in_ports(const PortPair& ports, std::uint16_t first, std::uint16_t last);

// The packet's values by the words of the registers.
class Registers {
public:
    explicit Registers(const Packet& packet) : packet_(packet) {}

    void load(const Load& load);
    void mask(const Masked& masked);
    [[nodiscard]] Match compare(const Compared& compared);
    [[nodiscard]] Match between(const Between& between);
    // Compares the key with the words from that register on.
    [[nodiscard]] Match is(unsigned reg, Bytes key);
    // Yes if all of that many bytes are known.
    [[nodiscard]] Match known(unsigned reg, std::size_t size) const;
    [[nodiscard]] std::vector<std::uint8_t> bytes(unsigned reg, std::size_t size) const;

    // True if the destination port is among that many bytes.
    bool asks_port(unsigned reg, std::size_t size);
    // The packet's ports, when so many bytes there are the destination port.
    std::optional<PortPair> ports_at(unsigned reg, std::size_t size);

    bool asked_port = false;  // a condition was about it

private:
    struct Word {
        std::array<std::uint8_t, 4> bytes{};
        Match known = Match::Unclear;  // Yes; or why not: Some, Unclear
        bool port = false;             // holds the destination port
    };

    void put(unsigned reg, Bytes bytes, Match known, bool port = false);
    void put_network(const Load& load);
    void put_transport(const Load& load);
    [[nodiscard]] bool has_ports(unsigned reg, std::size_t size) const {
        return size == 2 && reg < words_.size() && words_[reg].port && packet_.to_ports.has_value();
    }

    const Packet& packet_;
    std::array<Word, 16> words_;
};

}  // namespace partd::kernel::nft
