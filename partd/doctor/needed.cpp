// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.h"
#include "doctor/passage.h"

#include <array>

#include <fmt/format.h>

namespace partd::doctor {

namespace {

using kernel::nft::Packet;
using enum kernel::nft::Stage;

void add_outgoing(const Passages& passages, std::vector<Needed>& needed) {
    for (const Outgoing& out : passages.outgoing) {
        const auto to = out.to ? std::optional(out.to->ip) : std::nullopt;
        const Packet there{
            .v6 = out.v6, .in = out.end, .out = out.way, .stage = New, .from = out.from, .to = to};
        const Packet back{
            .v6 = out.v6, .in = out.way, .out = out.end, .stage = Established, .from = to, .to = out.from};
        needed.push_back({there, out.partition,
                          fmt::format("connections of {} by {} and {}", out.partition, out.end, out.way)});
        needed.push_back(
            {back, out.partition, fmt::format("answers to connections of {} by {}", out.partition, out.way)});
    }
}

void add_admitted(const Passages& passages, std::vector<Needed>& needed) {
    for (const Admitted& in : passages.admitted) {
        const auto from = in.from ? std::optional(in.from->ip) : std::nullopt;
        const bool v6 = in.to.v6();
        const Packet there{.v6 = v6, .in = in.way, .out = in.end, .stage = New, .from = from, .to = in.to};
        const Packet back{
            .v6 = v6, .in = in.end, .out = in.way, .stage = Established, .from = in.to, .to = from};
        const std::string text = fmt::format("connections to {} of {}", in.to.text(), in.partition);
        needed.push_back({there, in.partition, text});
        needed.push_back({back, in.partition, "answers to " + text});
    }
}

// `ways` are the host's ways out, of IPv4 and of IPv6.
template <class Ways>
void add_incoming(const Passages& passages, const Ways& ways, std::vector<Needed>& needed) {
    for (const Incoming& in : passages.incoming) {
        const auto from = in.from ? std::optional(in.from->ip) : std::nullopt;
        for (const std::string& way : ways.at(in.to.v6() ? 1 : 0)) {
            Packet there{.v6 = in.to.v6(),
                         .in = way,
                         .out = in.end,
                         .stage = New,
                         .translated = true,
                         .from = from,
                         .to = in.to,
                         .protocol = static_cast<std::uint8_t>(in.listen.protocol),
                         .to_ports = std::pair(in.to_ports.first, in.to_ports.last)};
            const Packet back{.v6 = in.to.v6(),
                              .in = in.end,
                              .out = way,
                              .stage = Established,
                              .translated = true,
                              .from = in.to,
                              .to = from,
                              .protocol = there.protocol};
            const std::string text = fmt::format("connections to {} of {}", in.listen.text(), in.partition);
            needed.push_back({std::move(there), in.partition, text});
            needed.push_back({back, in.partition, "answers to " + text});
        }
    }
}

void add_crossings(const Passages& passages, std::vector<Needed>& needed) {
    for (const Crossing& each : passages.crossings) {
        const bool v6 = each.to.ip.v6();
        const Packet there{.v6 = v6,
                           .in = each.end,
                           .out = each.to_end,
                           .stage = New,
                           .from = each.from.ip,
                           .to = each.to.ip};
        const Packet back{.v6 = v6,
                          .in = each.to_end,
                          .out = each.end,
                          .stage = Established,
                          .from = each.to.ip,
                          .to = each.from.ip};
        const std::string text = fmt::format("connections of {} to {}", each.partition, each.to_partition);
        needed.push_back({there, each.partition, text});
        needed.push_back({back, each.partition, "answers to " + text});
    }
}

}  // namespace

std::vector<Needed> needed_packets(const Passages& passages, const CheckContext& patient) {
    const std::array ways = {ways_out(patient, false), ways_out(patient, true)};
    std::vector<Needed> needed;
    add_outgoing(passages, needed);
    add_admitted(passages, needed);
    add_incoming(passages, ways, needed);
    add_crossings(passages, needed);
    return needed;
}

}  // namespace partd::doctor
