// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"
#include "kernel/nft/foreign_rules.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace partd::kernel::nft {

enum class Stage : std::uint8_t { New, Established };

// A packet, as far as it is known beforehand.
struct Packet {
    bool v6 = false;
    std::string in = {};  // names of interfaces; "" for any
    std::string out = {};
    Stage stage = Stage::New;
    bool translated = false;  // its connection's destination was translated
    bool to_host = false;     // its destination is an address of the host
    std::optional<Ip> from = {};
    std::optional<Ip> to = {};
    std::uint8_t protocol = 6;                                             // IPPROTO_TCP
    std::optional<std::pair<std::uint16_t, std::uint16_t>> to_ports = {};  // first and last
};

// The effect of rules on a kind of packet.
struct Fate {
    bool drops = false;       // packets of the kind are dropped, but for those that a narrower rule lets pass
    bool unclear = false;     // a rule that cannot be judged might let them pass
    bool translates = false;  // a rule for their ports may give them another destination
    std::string where = {};   // the chain of the rule that translates
    std::string to = {};      // the destination that it gives; "" when not known
};

// The effect of that table's chain on the packet, its policy included.
Fate fate_of(const ForeignTable& table, const std::string& chain, const Packet& packet);

}  // namespace partd::kernel::nft
