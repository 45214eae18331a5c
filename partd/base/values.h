// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace partd {

// "512M", "1.5G" or plain bytes; K M G T are powers of 1024. nullopt when it is none or over 2^63 - 1.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "10ms", "30s", "5min", "1h"; a number needs its unit. nullopt when it is none or over 10 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string duration_text(std::chrono::milliseconds duration);

enum class Protocol : std::uint8_t { Tcp = 6, Udp = 17 };  // IPPROTO_TCP, IPPROTO_UDP

// "tcp/80", "udp/5000-5010".
struct PortRange {
    Protocol protocol = Protocol::Tcp;
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    static std::optional<PortRange> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] unsigned count() const { return last - first + 1U; }
    [[nodiscard]] bool overlaps(const PortRange& o) const {
        return protocol == o.protocol && first <= o.last && o.first <= last;
    }
    auto operator<=>(const PortRange&) const = default;
};

// "10.1.1.1:80", "[fd00:1::1]:80"; without a port, 0.
struct Endpoint {
    Ip ip;
    std::uint16_t port = 0;

    static std::optional<Endpoint> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    auto operator<=>(const Endpoint&) const = default;
};

// Processors or memory nodes as the kernel prints them: "0-3,8". nullopt for what it would refuse.
std::optional<std::string> canonical_cpu_list(std::string_view text);

}  // namespace partd
