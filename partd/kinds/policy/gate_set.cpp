// SPDX-License-Identifier: Apache-2.0
#include "kinds/policy/gate_set.h"

#include "base/text.h"
#include "kinds/nat/layout.h"

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>

namespace partd::nat {

namespace {

using kernel::nft::Part;

struct Word {
    GateSet::Side side;
    GateSet::Far far;
    std::string_view word;
};
constexpr std::array kWords = {
    Word{GateSet::Side::Reach, GateSet::Far::Any, kAnyward},
    Word{GateSet::Side::Reach, GateSet::Far::Outside, kOutward},
    Word{GateSet::Side::Reach, GateSet::Far::Host, kHostward},
    Word{GateSet::Side::Reach, GateSet::Far::Partition, kReach},
    Word{GateSet::Side::Reach, GateSet::Far::Prefix, kReach},
    Word{GateSet::Side::Admit, GateSet::Far::Any, kAnyone},
    Word{GateSet::Side::Admit, GateSet::Far::Outside, kInward},
    Word{GateSet::Side::Admit, GateSet::Far::Partition, kAdmit},
    Word{GateSet::Side::Admit, GateSet::Far::Prefix, kAdmit},
};
constexpr std::string_view kPorts = "_p";
constexpr unsigned kPortBits = 16;

// A number without a sign or a leading zero.
std::optional<std::uint8_t> parse_bits(std::string_view text, unsigned most) {
    const auto number = parse_number(text);
    return number && *number <= most && std::to_string(*number) == text
               ? std::optional(static_cast<std::uint8_t>(*number))
               : std::nullopt;
}

}  // namespace

std::string GateSet::name() const {
    const auto found =
        std::ranges::find_if(kWords, [&](const Word& word) { return word.side == side && word.far == far; });
    std::string text(found == kWords.end() ? "?" : found->word);
    if (far == Far::Prefix) {
        text += fmt::format("{}_{}", v6 ? 6 : 4, length);
    }
    return ports ? fmt::format("{}{}{}", text, kPorts, *ports) : text;
}

std::optional<GateSet> GateSet::parse(std::string_view name) {
    GateSet set;
    if (const std::size_t at = name.rfind(kPorts); at != std::string_view::npos) {
        set.ports = parse_bits(name.substr(at + kPorts.size()), kPortBits);
        if (!set.ports) {
            return std::nullopt;
        }
        name = name.substr(0, at);
    }
    const std::size_t bar = name.rfind('_');
    const bool prefix = bar != std::string_view::npos && bar > 1;
    if (prefix) {
        const char family = name[bar - 1];
        set.v6 = family == '6';
        const auto length = parse_bits(name.substr(bar + 1), set.v6 ? 128 : 32);
        if (!length || (family != '4' && family != '6')) {
            return std::nullopt;
        }
        set.length = *length;
        name = name.substr(0, bar - 1);
    }
    const auto found = std::ranges::find_if(
        kWords, [&](const Word& word) { return word.word == name && (word.far == Far::Prefix) == prefix; });
    if (found == kWords.end()) {
        return std::nullopt;
    }
    set.side = found->side;
    set.far = found->far;
    return set;
}

std::vector<Part> GateSet::key() const {
    std::vector<Part> parts = {Part::IfName};
    if (has_pair()) {
        parts.push_back(Part::IfName);
    } else if (far == Far::Prefix) {
        parts.push_back(v6 ? Part::Ip6 : Part::Ip4);
    }
    if (ports) {
        parts.push_back(Part::Protocol);
    }
    if (ports.value_or(0) > 0) {
        parts.push_back(Part::Port);
    }
    return parts;
}

std::vector<std::string> fixed_gate_sets() {
    std::vector<std::string> names;
    for (const Word& word : kWords) {
        if (word.far != GateSet::Far::Prefix) {
            names.emplace_back(word.word);
        }
    }
    return names;
}

std::vector<PortBlock> port_blocks(std::uint16_t first, std::uint16_t last) {
    std::vector<PortBlock> blocks;
    for (unsigned from = first; from <= last;) {
        // The largest that begins there and does not go beyond the last one.
        unsigned size = from == 0 ? 1U << kPortBits : 1U << std::countr_zero(from);
        while (from + size - 1 > last) {
            size /= 2;
        }
        blocks.push_back(
            {static_cast<std::uint16_t>(from),
             static_cast<std::uint8_t>(kPortBits - static_cast<unsigned>(std::countr_zero(size)))});
        from += size;
    }
    return blocks;
}

}  // namespace partd::nat
