// SPDX-License-Identifier: Apache-2.0
#include "verbs/status_lines.h"

#include "base/text.h"
#include "plan/render.h"
#include "verbs/table.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

plan::Color color_of(const std::string& state) {
    constexpr std::array kOnTheWay = {"degraded", "missing", "frozen", "paused", "stopped"};
    return state == "active"                                        ? plan::Color::Green
           : std::ranges::find(kOnTheWay, state) != kOnTheWay.end() ? plan::Color::Yellow
                                                                    : plan::Color::Red;
}

// "10.1.1.1 +2": the first without its network, and how many others there are.
std::string first_address(const std::vector<Address>& addresses) {
    if (addresses.empty()) {
        return "-";
    }
    const std::string first = addresses.front().ip.text();
    return addresses.size() == 1 ? first : fmt::format("{} +{}", first, addresses.size() - 1);
}

std::string brief_nat(const Summary& summary) {
    if (summary.forwards == 0) {
        return nat_text(summary);
    }
    const std::string forwards = fmt::format("{} fwd", summary.forwards);
    return summary.masquerade ? "masq, " + forwards : forwards;
}

std::string brief_lines(const std::vector<Summary>& all, const Request& request) {
    constexpr std::size_t kAddress = 2;
    constexpr std::size_t kNat = 3;
    TextTable table({"PARTITION", "STATE", "ADDRESS", "NAT", "MEMORY", "PROCS", "AGE"});
    const auto now = std::chrono::system_clock::now();
    for (const Summary& summary : all) {
        table.add({summary.name, state_text(summary.state, request.color), first_address(summary.addresses),
                   brief_nat(summary), memory_text(summary), std::to_string(summary.processes),
                   summary.since ? age_text(now - *summary.since) : "-"});
    }
    table.shrink(kNat);
    table.shrink(kAddress);
    return table.text(request.legend);
}

std::string full_lines(const std::vector<Summary>& all, const Request& request) {
    TextTable table({"PARTITION", "STATE", "LINKS", "ADDRESSES", "NAT", "MEMORY", "PROCESSES", "SINCE"});
    for (const Summary& summary : all) {
        table.add({summary.name, state_text(summary.state, request.color), std::to_string(summary.links),
                   addresses_text(summary.addresses), nat_text(summary), memory_text(summary),
                   std::to_string(summary.processes), summary.since ? time_text(*summary.since) : "-"});
    }
    return table.text(request.legend);
}

}  // namespace

std::string state_text(const std::string& state, bool color) {
    return plan::painted(state, color_of(state), color);
}

std::string nat_text(const Summary& summary) {
    std::vector<std::string> parts;
    if (summary.masquerade) {
        parts.emplace_back("masquerade");
    }
    if (summary.forwards > 0) {
        parts.push_back(fmt::format("{} forward{}", summary.forwards, summary.forwards == 1 ? "" : "s"));
    }
    return parts.empty() ? "-" : join(parts, ", ");
}

std::string memory_text(const Summary& summary) {
    return summary.memory ? fmt::format("{:.1f}M", static_cast<double>(*summary.memory) / (1 << 20)) : "-";
}

std::string addresses_text(const std::vector<Address>& addresses) {
    std::vector<std::string> texts;
    std::ranges::transform(addresses, std::back_inserter(texts), &Address::text);
    return texts.empty() ? "-" : join(texts, ", ");
}

std::string status_lines(const std::vector<Summary>& all, const Request& request) {
    return request.full ? full_lines(all, request) : brief_lines(all, request);
}

}  // namespace partd::verbs
