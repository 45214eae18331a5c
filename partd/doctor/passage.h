// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/values.h"
#include "kernel/nft/packet_fate.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::doctor {

struct CheckContext;

// Packets that the host has to let pass for the declared partitions, by the names of its interfaces.

// New connections of a partition to what is none.
struct Outgoing {
    std::string partition;
    std::string end;  // the host's end of its link
    std::string way;  // the interface by which they leave
    std::optional<Ip> from;
    bool v6 = false;
    std::optional<Prefix> to = {};  // nullopt: anywhere
    bool operator==(const Outgoing&) const = default;
};
// New connections to an address of a partition's own, from what is none.
struct Admitted {
    std::string partition;
    std::string end;
    std::string way;  // the interface by which they come
    std::optional<Prefix> from;
    Ip to;
    bool operator==(const Admitted&) const = default;
};
// Connections to a port of the host that leads into a partition.
struct Incoming {
    std::string partition;
    std::string end;
    PortRange listen;
    Ip to;
    PortRange to_ports;
    std::optional<Prefix> from;
    bool operator==(const Incoming&) const = default;
};
// New connections of one partition to another one.
struct Crossing {
    std::string partition;
    std::string end;
    std::string to_partition;
    std::string to_end;
    Prefix from;
    Prefix to;
    bool operator==(const Crossing&) const = default;
};

struct Passages {
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    std::vector<Crossing> crossings;
    std::vector<Admitted> admitted;

    // The passages of these partitions.
    [[nodiscard]] Passages of(const std::set<std::string>& partitions) const;
    // The passages of IPv6, or of IPv4.
    [[nodiscard]] Passages family(bool v6) const;
    [[nodiscard]] std::set<std::string> ends() const;
    // The ends by which somebody may open connections to the outside.
    [[nodiscard]] std::set<std::string> outgoing_ends() const;
    [[nodiscard]] std::set<std::string> ways() const;
    [[nodiscard]] bool empty() const {
        return outgoing.empty() && incoming.empty() && crossings.empty() && admitted.empty();
    }
};
Passages passages_of(const CheckContext& patient);

// The interfaces by which packets leave the host: of its default routes, those that a translation names, and
// those with other routes that are not made for containers or machines.
std::set<std::string> ways_out(const CheckContext& patient, bool v6);

// The networks of containers and machines on this host: those that lead neither out nor to a partition.
std::vector<Prefix> guest_networks(const CheckContext& patient);

// A packet that has to pass, whose it is, and how to call it.
struct Needed {
    kernel::nft::Packet packet;
    std::string partition;
    std::string text;
};
std::vector<Needed> needed_packets(const Passages& passages, const CheckContext& patient);

}  // namespace partd::doctor
