// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace partd {

// The protocol number of our addresses (IFA_PROTO), routes (rtm_protocol) and rules (FRA_PROTOCOL). Free in
// iproute2's rt_protos.
inline constexpr std::uint8_t kProtocolMark = 112;

// Value of the field "mark" of an address, route or rule with that protocol.
inline constexpr std::string_view kMarked = "partd";
std::string protocol_text(std::uint8_t protocol);

// The group (IFLA_GROUP) in which the ends on the host are made: unlike alias and alternative name they have
// it from the first event on that udev and network managers hear. units/udev/10-partd.rules knows it.
inline constexpr std::uint32_t kHostEndGroup = 28769;

// The alias of a partition's loopback interface: "partd:web".
std::string mark_of(std::string_view partition);

// The mark in a link's alias: "partd:web/eth0" on the end in the partition that declares it,
// "partd:web/eth0:peer" on the other one. The user's own alias follows after a blank.
struct LinkMark {
    std::string partition;
    std::string link;
    bool peer = false;

    [[nodiscard]] std::string text() const;
};
std::optional<LinkMark> parse_link_mark(std::string_view alias);
// The part of an alias after the mark and a blank; "" when there is none.
std::string_view alias_behind_mark(std::string_view alias);

}  // namespace partd
