// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/way.h"

#include "base/text.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

struct ProtocolWord {
    std::string_view word;
    std::uint8_t number;
    bool has_ports;
};
constexpr std::array kProtocols = {
    ProtocolWord{"tcp", IPPROTO_TCP, true}, ProtocolWord{"udp", IPPROTO_UDP, true},
    ProtocolWord{"sctp", IPPROTO_SCTP, true}, ProtocolWord{"icmp", IPPROTO_ICMP, false},
    ProtocolWord{"icmpv6", IPPROTO_ICMPV6, false}};

constexpr std::uint16_t kLastPort = 65'535;

// Both ends of "80", "80-90"; nullopt for what is not made of numbers.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_ports(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
    return first && last ? std::optional(std::pair(*first, *last)) : std::nullopt;
}

// Of a text that is nearly one; "" for others.
std::string what_is_wrong(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return parse_ports(text) ? fmt::format(
                                       "{0} does not say of which protocol: write \"tcp/{0}\" or "
                                       "\"udp/{0}\"",
                                       text)
                                 : "";
    }
    const auto [first, last] = parse_ports(text.substr(slash + 1)).value_or(std::pair(1U, 1U));
    return first == 0 || last == 0 || first > kLastPort || last > kLastPort
               ? fmt::format("\"{}\": ports go from 1 to 65535", printable(text))
           : first > last ? fmt::format("\"{}\": the range ends before it begins", printable(text))
                          : "";
}

}  // namespace

std::optional<Match> Match::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto word = std::ranges::find(kProtocols, text.substr(0, slash), &ProtocolWord::word);
    if (word == kProtocols.end()) {
        return std::nullopt;
    }
    if (slash == std::string_view::npos) {
        return Match{.protocol = word->number};
    }
    const auto ports = parse_ports(text.substr(slash + 1));
    if (!word->has_ports || !ports || ports->first == 0 || ports->first > ports->second ||
        ports->second > kLastPort) {
        return std::nullopt;
    }
    if (ports->first == 1 && ports->second == kLastPort) {
        return Match{.protocol = word->number};
    }
    return Match{.protocol = word->number,
                 .first = static_cast<std::uint16_t>(ports->first),
                 .last = static_cast<std::uint16_t>(ports->second)};
}

std::string Match::text() const {
    const auto word = std::ranges::find(kProtocols, protocol, &ProtocolWord::number);
    const std::string name = word == kProtocols.end() ? std::to_string(protocol) : std::string(word->word);
    return !has_ports()    ? name
           : first == last ? fmt::format("{}/{}", name, first)
                           : fmt::format("{}/{}-{}", name, first, last);
}

bool Match::covers(const Match& other) const {
    return protocol == other.protocol &&
           (!has_ports() || (other.has_ports() && first <= other.first && other.last <= last));
}

std::optional<Far> Far::parse(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, What>, 3> kWords = {
        {{"host", What::Host}, {"outside", What::Outside}, {"any", What::Any}}};
    for (const auto& [word, what] : kWords) {
        if (text == word) {
            return Far{.what = what};
        }
    }
    if (const auto prefix = Prefix::parse(text)) {
        return Far{.what = What::Prefix, .prefix = *prefix};
    }
    const auto name = Name::parse(text);
    return name ? std::optional(Far{.what = What::Partition, .partition = *name}) : std::nullopt;
}

std::string Far::text() const {
    switch (what) {
        case What::Host:
            return "host";
        case What::Outside:
            return "outside";
        case What::Any:
            return "any";
        case What::Prefix:
            return prefix.text();
        case What::Partition:
            return partition;
    }
    return "?";
}

bool Far::covers(const Far& other) const {
    return what == What::Any || *this == other ||
           (what == What::Prefix && other.what == What::Prefix && prefix.length <= other.prefix.length &&
            prefix.contains(other.prefix.ip));
}

std::string WayLine::text() const {
    return match == nullptr ? far.text() : fmt::format("{} {}", far.text(), match->text());
}

bool WayLine::covers(const WayLine& other) const {
    return far.covers(other.far) &&
           (match == nullptr || (other.match != nullptr && match->covers(*other.match)));
}

template <>
struct Codec<Match> {
    static bool read(const Value& value, Match& out, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        if (const auto match = text == nullptr ? std::nullopt : Match::parse(*text)) {
            out = *match;
            return true;
        }
        const auto* number = value.get_if<std::int64_t>();
        const std::string wrong = number != nullptr ? what_is_wrong(std::to_string(*number))
                                  : text != nullptr ? what_is_wrong(*text)
                                                    : "";
        if (wrong.empty()) {
            report_unexpected(value, kExpected, problems);
        } else {
            problems.error(value.source, wrong);
        }
        return false;
    }
    static std::string text(const Match& value) { return value.text(); }
    static Value json(const Match& value) { return value.text(); }
    static Value schema() {
        return string_schema("^((tcp|udp|sctp)(/[0-9]{1,5}(-[0-9]{1,5})?)?|icmp|icmpv6)$", kExpected);
    }
    static constexpr std::string_view kExpected =
        "packets like \"tcp/443\", \"udp/5000-5010\", \"tcp\", \"icmp\" or \"icmpv6\"";
};

template <>
struct Codec<Far> {
    static bool read(const Value& value, Far& out, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        if (const auto far = text == nullptr ? std::nullopt : Far::parse(*text)) {
            out = *far;
            return true;
        }
        if (text == nullptr) {
            report_unexpected(value, kExpected, problems);
            return false;
        }
        if (const auto address = Address::parse(*text)) {
            problems.error(
                value.source,
                fmt::format("{} has bits of a host: write \"{}\" for the network, or \"{}\" for the "
                            "address alone",
                            *text, address->prefix().text(), address->ip.text()));
        } else if (const std::size_t blank = text->find(' '); blank != std::string::npos) {
            problems.error(
                value.source,
                fmt::format("expected {}, got \"{}\"; ports stand in a table: {{ to = \"{}\", match "
                            "= [\"{}\"] }}, from in place of to in admit",
                            kExpected, printable(*text), printable(text->substr(0, blank)),
                            printable(text->substr(blank + 1))));
        } else if (is_host_name(*text)) {
            problems.error(value.source, fmt::format("\"{}\": host names are not supported yet; give the "
                                                     "addresses or prefixes that it stands for",
                                                     printable(*text)));
        } else {
            report_unexpected(value, kExpected, problems);
        }
        return false;
    }
    static std::string text(const Far& value) { return value.text(); }
    static Value json(const Far& value) { return value.text(); }
    static Value schema() {
        return string_schema("^([0-9a-fA-F:.]+(/[0-9]{1,3})?|[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?)$",
                             kExpected);
    }
    static constexpr std::string_view kExpected =
        "\"host\", \"outside\", \"any\", the name of a partition, an address or a prefix";

private:
    // "api.github.com", "*.debian.org": the last label begins with a letter, unlike that of an address.
    static bool is_host_name(std::string_view text) {
        const std::size_t dot = text.rfind('.');
        const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
        return dot != std::string_view::npos && dot + 1 < text.size() && is_letter(text[dot + 1]) &&
               !text.contains(':') && !text.contains('/');
    }
};

namespace {

constexpr Field match_field() {
    using List = std::vector<Sourced<Match>>;
    Field match =
        field<&Way::match>("match",
                           "packets that it is limited to: \"tcp/443\", \"udp/5000-5010\", \"tcp\" for "
                           "every port, \"sctp/…\", \"icmp\", \"icmpv6\"; or a list of them",
                           {.fallback = "every packet"});
    match.read = [](const Value& value, void* object, Diagnostics& problems) {
        List& out = static_cast<Way*>(object)->match;
        if (value.get_if<Array>() == nullptr) {
            return Codec<Sourced<Match>>::read(value, out.emplace_back(), problems);
        }
        if (value.get_if<Array>()->empty()) {
            problems.error(value.source,
                           "match is empty: leave it out for every packet, or the entry for none");
            return false;
        }
        return Codec<List>::read(value, out, problems);
    };
    match.schema = [] {
        Value list = Codec<List>::schema();
        list.set("minItems", std::int64_t{1});
        Value schema;
        schema.set("anyOf", Array{Codec<Match>::schema(), std::move(list)});
        return schema;
    };
    return match;
}

constexpr Field kReachFields[] = {
    field<&Way::far>("to", "\"host\", \"outside\", \"any\", a partition, an address or a prefix",
                     {.required = true}),
    match_field(),
};
constexpr Field kAdmitFields[] = {
    field<&Way::far>("from", "\"outside\", \"any\", a partition, an address or a prefix", {.required = true}),
    match_field(),
};
constexpr Table kReachTable = {"reach", "To whom connections may be opened.", kReachFields};
constexpr Table kAdmitTable = {"admit", "Who may open connections.", kAdmitFields};

bool read_way(const Table& table, const Value& value, Way& out, Diagnostics& problems) {
    if (value.get_if<Object>() != nullptr) {
        return read_tabled(table, value, &out, problems);
    }
    return Codec<Far>::read(value, out.far, problems);
}

std::string way_text(const Way& way) {
    std::string text = way.far.text();
    for (const auto& match : way.match) {
        text += (&match == &way.match.front() ? " " : ", ") + match.value.text();
    }
    return text;
}

Value way_json(const Table& table, const Way& way) {
    return way.match.empty() ? Value(way.far.text()) : tabled_json(table, &way);
}

Value way_schema(const Table& table) {
    Value schema;
    schema.set("anyOf", Array{Codec<Far>::schema(), tabled_schema(table)});
    return schema;
}

}  // namespace

bool Codec<ReachWay>::read(const Value& value, ReachWay& out, Diagnostics& problems) {
    return read_way(kReachTable, value, out, problems);
}
std::string Codec<ReachWay>::text(const ReachWay& value) {
    return way_text(value);
}
Value Codec<ReachWay>::json(const ReachWay& value) {
    return way_json(kReachTable, value);
}
Value Codec<ReachWay>::schema() {
    return way_schema(kReachTable);
}

bool Codec<AdmitWay>::read(const Value& value, AdmitWay& out, Diagnostics& problems) {
    return read_way(kAdmitTable, value, out, problems);
}
std::string Codec<AdmitWay>::text(const AdmitWay& value) {
    return way_text(value);
}
Value Codec<AdmitWay>::json(const AdmitWay& value) {
    return way_json(kAdmitTable, value);
}
Value Codec<AdmitWay>::schema() {
    return way_schema(kAdmitTable);
}

}  // namespace partd
