// SPDX-License-Identifier: Apache-2.0
#include "base/values.h"

#include "base/text.h"

#include <array>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

// The number at the beginning of text, with a fraction when there is one; text is left at what follows.
std::optional<double> take_decimal(std::string_view& text) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
    const auto parts = split(text.substr(0, end), '.');
    text.remove_prefix(end);
    const auto whole = parse_number(parts[0]);
    if (!whole || parts.size() > 2 || *whole > (1ULL << 53)) {
        return std::nullopt;
    }
    if (parts.size() == 1) {
        return static_cast<double>(*whole);
    }
    const auto fraction = parse_number(parts[1]);
    if (!fraction || parts[1].size() > 6) {
        return std::nullopt;
    }
    return static_cast<double>(*whole) +
           static_cast<double>(*fraction) / std::pow(10.0, static_cast<double>(parts[1].size()));
}

constexpr std::string_view kSizeUnits = "KMGT";

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
    if (const auto bytes = parse_number(text)) {
        return *bytes >> 63 == 0 ? bytes : std::nullopt;
    }
    const auto number = take_decimal(text);
    const std::size_t unit = text.size() == 1 ? kSizeUnits.find(text[0]) : std::string_view::npos;
    if (!number || unit == std::string_view::npos) {
        return std::nullopt;
    }
    const double bytes = std::ldexp(*number, 10 * (static_cast<int>(unit) + 1));
    if (bytes >= 0x1p63) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(bytes);
}

namespace {

struct DurationUnit {
    std::string_view name;
    std::int64_t milliseconds;
};
constexpr std::array kDurationUnits = {DurationUnit{"h", 3'600'000}, DurationUnit{"min", 60'000},
                                       DurationUnit{"m", 60'000}, DurationUnit{"s", 1'000},
                                       DurationUnit{"ms", 1}};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto number = take_decimal(text);
    constexpr double kTenYears = 10.0 * 366 * 24 * 3'600'000;
    for (const DurationUnit& unit : kDurationUnits) {
        if (number && text == unit.name && *number * static_cast<double>(unit.milliseconds) <= kTenYears) {
            return std::chrono::milliseconds(std::llround(*number * static_cast<double>(unit.milliseconds)));
        }
    }
    return std::nullopt;
}

std::string duration_text(std::chrono::milliseconds duration) {
    for (const DurationUnit& unit : kDurationUnits) {
        if (duration.count() != 0 && duration.count() % unit.milliseconds == 0) {
            return fmt::format("{}{}", duration.count() / unit.milliseconds, unit.name);
        }
    }
    return "0s";
}

namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto port = parse_number(text);
    return port && *port >= 1 && *port <= 65535 ? std::optional(static_cast<std::uint16_t>(*port))
                                                : std::nullopt;
}

}  // namespace

std::optional<PortRange> PortRange::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view protocol = text.substr(0, slash);
    if (slash == std::string_view::npos || (protocol != "tcp" && protocol != "udp")) {
        return std::nullopt;
    }
    const std::string_view ports = text.substr(slash + 1);
    const std::size_t dash = ports.find('-');
    const auto first = parse_port(ports.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_port(ports.substr(dash + 1));
    if (!first || !last || *last < *first) {
        return std::nullopt;
    }
    return PortRange{protocol == "tcp" ? Protocol::Tcp : Protocol::Udp, *first, *last};
}

std::string PortRange::text() const {
    const std::string_view name = protocol == Protocol::Tcp ? "tcp" : "udp";
    return first == last ? fmt::format("{}/{}", name, first) : fmt::format("{}/{}-{}", name, first, last);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    if (const auto bare = Ip::parse(text)) {
        return Endpoint{*bare, 0};
    }
    if (text.starts_with('[') && text.ends_with(']')) {
        const auto ip = Ip::parse(text.substr(1, text.size() - 2));
        return ip && ip->v6() ? std::optional(Endpoint{*ip, 0}) : std::nullopt;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    const auto ip = Ip::parse(host);
    const auto port = parse_port(text.substr(colon + 1));
    if (!ip || !port || ip->v6() != bracketed) {
        return std::nullopt;
    }
    return Endpoint{*ip, *port};
}

std::string Endpoint::text() const {
    const std::string host = ip.v6() ? "[" + ip.text() + "]" : ip.text();
    return port == 0 ? host : fmt::format("{}:{}", host, port);
}

std::optional<std::string> canonical_cpu_list(std::string_view text) {
    constexpr std::uint64_t kMostCpus = 8192;
    std::set<std::uint64_t> cpus;
    for (const std::string_view part : split(text, ',')) {
        const std::size_t dash = part.find('-');
        const auto first = parse_number(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last >= kMostCpus) {
            return std::nullopt;
        }
        for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) {
            cpus.insert(cpu);
        }
    }
    std::string list;
    for (auto cpu = cpus.begin(); cpu != cpus.end();) {
        const std::uint64_t first = *cpu;
        std::uint64_t last = first;
        while (++cpu != cpus.end() && *cpu == last + 1) {
            last = *cpu;
        }
        list += fmt::format("{}{}{}", list.empty() ? "" : ",", first,
                            last > first ? fmt::format("-{}", last) : "");
    }
    return list;
}

}  // namespace partd
