// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"

#include <string>
#include <vector>

namespace partd {

// Packets of one protocol: "tcp/443", "udp/5000-5010", "tcp" (every port), "icmp".
struct Match {
    std::uint8_t protocol = 0;  // IPPROTO_*
    std::uint16_t first = 0;    // 0: of any port, or the protocol has none
    std::uint16_t last = 0;

    static std::optional<Match> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool has_ports() const { return first != 0; }
    // True if it says all that the other one says.
    [[nodiscard]] bool covers(const Match& other) const;
    auto operator<=>(const Match&) const = default;
};

// The other side of a partition's connections: "host", "outside", "any", a prefix or a partition.
struct Far {
    enum class What : std::uint8_t { Host, Outside, Any, Prefix, Partition };
    What what = What::Host;
    Prefix prefix = {};
    std::string partition = {};

    static std::optional<Far> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool covers(const Far& other) const;
    auto operator<=>(const Far&) const = default;
};

// One element of `reach` or `admit`: a word alone, or a table of it with the packets that it is limited to.
struct Way {
    Far far = {};
    std::vector<Sourced<Match>> match = {};  // empty: every packet
    bool operator==(const Way&) const = default;
};
struct ReachWay : Way {};  // { to, match }
struct AdmitWay : Way {};  // { from, match }

using Reach = std::vector<Sourced<ReachWay>>;
using Admit = std::vector<Sourced<AdmitWay>>;

// One entry as it is compiled: for every packet, or with one of its matches. It points into the list.
struct WayLine {
    const Far& far;
    const Match* match = nullptr;
    Source at = {};

    // "10.0.0.0/8 tcp/443"
    [[nodiscard]] std::string text() const;
    // True if it says all that the other one says.
    [[nodiscard]] bool covers(const WayLine& other) const;
};

template <class T>
std::vector<WayLine> lines_of(const std::vector<Sourced<T>>& ways) {
    std::vector<WayLine> lines;
    for (const auto& way : ways) {
        if (way.value.match.empty()) {
            lines.push_back({.far = way.value.far, .match = nullptr, .at = way.at});
        }
        for (const auto& match : way.value.match) {
            lines.push_back({.far = way.value.far, .match = &match.value, .at = match.at});
        }
    }
    return lines;
}

template <>
struct Codec<ReachWay> {
    static bool read(const Value& value, ReachWay& out, Diagnostics& problems);
    static std::string text(const ReachWay& value);
    static Value json(const ReachWay& value);
    static Value schema();
};
template <>
struct Codec<AdmitWay> {
    static bool read(const Value& value, AdmitWay& out, Diagnostics& problems);
    static std::string text(const AdmitWay& value);
    static Value json(const AdmitWay& value);
    static Value schema();
};

}  // namespace partd
