// SPDX-License-Identifier: Apache-2.0
#include "kinds/sysctl/text.h"

#include "base/ip.h"
#include "base/text.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace partd {

std::string one_line(std::string_view text) {
    std::string line;
    for (const std::string_view word : words(text)) {
        line += (line.empty() ? "" : " ") + std::string(word);
    }
    return line;
}

namespace {

struct Number {
    std::uint64_t value = 0;
    bool negative = false;
    bool operator==(const Number&) const = default;
};

// As the kernel reads it: base 16 behind 0x, base 8 behind 0, else base 10.
std::optional<Number> parse_any_base(std::string_view word) {
    Number number;
    if (word.starts_with('-')) {
        number.negative = true;
        word.remove_prefix(1);
    }
    int base = 10;
    if (word.starts_with("0x") || word.starts_with("0X")) {
        base = 16;
        word.remove_prefix(2);
    } else if (word.size() > 1 && word[0] == '0') {
        base = 8;
        word.remove_prefix(1);
    }
    const auto value = parse_number(word, base);
    if (!value) {
        return std::nullopt;
    }
    number.value = *value;
    number.negative = number.negative && *value != 0;
    return number;
}

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// "8080,8081,9000-9010" as ranges that neither touch nor overlap; nullopt when it is none.
std::optional<Ranges> parse_ranges(std::string_view text) {
    Ranges all;
    for (const std::string_view part : split(text, ',')) {
        const std::size_t dash = part.find('-');
        const auto first = parse_any_base(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_any_base(part.substr(dash + 1));
        if (!first || !last || first->negative || last->negative || last->value < first->value) {
            return std::nullopt;
        }
        all.emplace_back(first->value, last->value);
    }
    std::ranges::sort(all);
    Ranges joined;
    for (const auto& range : all) {
        if (!joined.empty() && range.first <= joined.back().second + 1) {
            joined.back().second = std::max(joined.back().second, range.second);
        } else {
            joined.push_back(range);
        }
    }
    return joined;
}

std::string_view without_zeros(std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
    return digits;
}

// Keys in four groups of hexadecimal digits, one or several of them (net.ipv4.tcp_fastopen_key).
std::optional<std::vector<std::uint64_t>> parse_keys(std::string_view text) {
    std::vector<std::uint64_t> groups;
    for (const std::string_view key : split(text, ',')) {
        const auto parts = split(key, '-');
        if (parts.size() != 4) {
            return std::nullopt;
        }
        for (const std::string_view part : parts) {
            const auto group = parse_number(part, 16);
            if (!group) {
                return std::nullopt;
            }
            groups.push_back(*group);
        }
    }
    return groups;
}

template <class T>
bool both(const std::optional<T>& one, const std::optional<T>& other) {
    return one && other && *one == *other;
}

bool same_word(std::string_view wanted, std::string_view found) {
    if (wanted == found) {
        return true;
    }
    if (found.size() > 1 && found[0] == '0' &&
        found.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
        return without_zeros(wanted) == without_zeros(found);  // a mask of processors
    }
    const bool v6 = wanted.contains(':') && found.contains(':');
    return both(parse_any_base(wanted), parse_any_base(found)) ||
           both(parse_ranges(wanted), parse_ranges(found)) || both(parse_keys(wanted), parse_keys(found)) ||
           (v6 && both(Ip::parse(wanted), Ip::parse(found)));
}

bool all_numbers(const std::vector<std::string_view>& all) {
    return !all.empty() &&
           std::ranges::all_of(all, [](std::string_view word) { return parse_any_base(word).has_value(); });
}

}  // namespace

std::optional<std::uint64_t> sysctl_number(std::string_view word) {
    const auto number = parse_any_base(word);
    return number && !number->negative ? std::optional(number->value) : std::nullopt;
}

bool same_sysctl(std::string_view wanted, std::string_view found) {
    const auto asked = words(wanted);
    const auto has = words(found);
    const bool fits = asked.size() == has.size() || (asked.size() < has.size() && all_numbers(asked));
    return fits && std::equal(asked.begin(), asked.end(), has.begin(), same_word);
}

bool is_comparable(std::string_view wanted, std::string_view found) {
    const auto ranges = [](std::string_view text) { return text.empty() || parse_ranges(text); };
    return (all_numbers(words(wanted)) && all_numbers(words(found))) || (ranges(wanted) && ranges(found));
}

namespace {

// True for characters that the ledger's lines or this record's own fields use.
bool is_special(char c) {
    return static_cast<unsigned char>(c) < ' ' || c == ';' || c == '%' || c == '\x7f';
}

void add_field(std::string& text, std::string_view name, std::string_view value) {
    text += name;
    for (const char c : value) {
        text += is_special(c) ? fmt::format("%{:02x}", static_cast<unsigned char>(c)) : std::string(1, c);
    }
    text += ';';
}

// The value of the first field of that name.
std::optional<std::string> field_of(std::string_view text, std::string_view name) {
    for (const std::string_view part : split(text, ';')) {
        if (!part.starts_with(name)) {
            continue;
        }
        std::string value;
        for (std::size_t i = name.size(); i < part.size(); ++i) {
            const auto code = part[i] == '%' ? parse_number(part.substr(i + 1, 2), 16) : std::nullopt;
            value += code ? static_cast<char>(*code) : part[i];
            i += code ? 2 : 0;
        }
        return value;
    }
    return std::nullopt;
}

}  // namespace

std::optional<SysctlRecord> SysctlRecord::parse(std::string_view text) {
    SysctlRecord record;
    if (text.find(';') == std::string_view::npos) {
        // Of an earlier partd: the value before, and nothing else.
        record.written = true;
        record.before = field_of(text, "was:");
        return record.before ? std::optional(std::move(record)) : std::nullopt;
    }
    // After a failure the one before it follows.
    text = text.substr(0, text.find("; "));
    record.before = field_of(text, "was:");
    const auto set = field_of(text, "set:");
    record.written = set.has_value();
    record.wanted = set ? *set : field_of(text, "to:").value_or("");
    record.made = field_of(text, "made:").value_or("");
    return record;
}

std::string SysctlRecord::text() const {
    std::string text;
    if (before) {
        add_field(text, "was:", *before);
    }
    add_field(text, written ? "set:" : "to:", wanted);
    if (written) {
        add_field(text, "made:", made);
    }
    return text;
}

std::optional<InterfaceSysctl> InterfaceSysctl::parse(std::string_view path) {
    const auto parts = split(path, '/');
    constexpr std::size_t kParts = 5;  // net/ipv4/conf/eth0/rp_filter
    if (parts.size() != kParts || (parts[2] != "conf" && parts[2] != "neigh")) {
        return std::nullopt;
    }
    return InterfaceSysctl{.directory = fmt::format("{}/{}/{}/", parts[0], parts[1], parts[2]),
                           .interface = std::string(parts[3]),
                           .name = std::string(parts[4])};
}

std::string canonical_sysctl(const std::string& path) {
    return path == "net/ipv4/conf/all/forwarding" ? "net/ipv4/ip_forward" : path;
}

std::vector<std::string> spreading_over(const std::string& path) {
    if (path == "net/ipv4/conf/all/accept_redirects") {
        return {canonical_sysctl("net/ipv4/conf/all/forwarding")};
    }
    const auto own = InterfaceSysctl::parse(path);
    if (!own || own->interface == "all") {
        return {};
    }
    std::vector<std::string> paths = {canonical_sysctl(own->of("all"))};
    if (own->interface != "default") {
        paths.push_back(own->of("default"));
    }
    return paths;
}

}  // namespace partd
