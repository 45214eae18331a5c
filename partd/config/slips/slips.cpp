// SPDX-License-Identifier: Apache-2.0
#include "config/slips/slips.h"

#include "base/text.h"
#include "config/slips/slip_words.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace partd::config {

namespace {

constexpr auto kNone = std::string_view::npos;
constexpr std::size_t kMostShown = 60;

// The byte at that line and column; the text's end when there is none.
std::size_t offset_of(std::string_view toml, TextPosition at) {
    std::size_t offset = 0;
    for (std::uint32_t line = 1; line < at.line; ++line) {
        const std::size_t end = toml.find('\n', offset);
        if (end == kNone) {
            return toml.size();
        }
        offset = end + 1;
    }
    const auto continues = [&] { return (static_cast<unsigned char>(toml[offset]) & 0xc0U) == 0x80; };
    for (std::uint32_t column = 1; offset < toml.size() && (column < at.column || continues()); ++offset) {
        column += continues() ? 0 : 1;
    }
    return std::min(offset, toml.size());
}

// The value without quotes that has this byte; "" when there is none.
std::string_view bare_value(std::string_view toml, std::size_t offset) {
    if (offset >= toml.size()) {
        return {};
    }
    const std::size_t stop = toml.find_last_of(" \t\r\n,=[]{}\"'#", offset);
    const std::size_t begin = stop == kNone ? 0 : stop + (stop == offset ? 0 : 1);
    const std::string_view before = toml.substr(0, begin);
    const std::size_t last = before.find_last_not_of(" \t\r\n");
    if (last == kNone || std::string_view("=,[").find(before[last]) == kNone) {
        return {};
    }
    const std::string_view rest = toml.substr(begin);
    return trim(rest.substr(0, rest.find_first_of("\r\n,]}#")));
}

// A sentence that says how to write a value that lacks quotes; "" when quotes would not help.
std::string better(std::string_view value) {
    std::string lower;
    std::ranges::transform(value, std::back_inserter(lower),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::array<std::string_view, 3> kTrue = {"true", "yes", "on"};
    constexpr std::array<std::string_view, 3> kFalse = {"false", "no", "off"};
    if (std::ranges::find(kTrue, lower) != kTrue.end() || std::ranges::find(kFalse, lower) != kFalse.end()) {
        return fmt::format("{} is not a value: write {}", value,
                           std::ranges::find(kTrue, lower) != kTrue.end() ? "true" : "false");
    }
    const bool number = value.find_first_not_of("+-_0123456789") == kNone;
    if (value.ends_with(';')) {
        return "nothing stands behind a value on its line: leave out the ;";
    }
    if (value.ends_with('"') && !value.starts_with('"') && value.size() > 1) {
        return "the first quote of this string is missing";
    }
    const bool quoted = value.find_first_of("\"'=[{") != kNone;
    return value.empty() || number || quoted || value.size() > kMostShown
               ? std::string()
               : fmt::format("a value that is not a number needs quotes: \"{}\"", value);
}

std::string_view line_at(std::string_view toml, TextPosition at) {
    const std::size_t begin = offset_of(toml, {at.line, 1});
    return trim(toml.substr(begin, toml.find('\n', begin) - begin));
}

std::string header(std::string_view line) {
    const auto opened = static_cast<std::ptrdiff_t>(line.find_first_not_of('['));
    const std::size_t close = line.find(']');
    if (close == kNone) {
        return "the ] that ends the header is missing";
    }
    const std::size_t after = std::min(line.find_first_not_of(']', close), line.size());
    const auto closed = static_cast<std::ptrdiff_t>(after - close);
    const std::string_view rest = trim(line.substr(after));
    if (closed != opened) {
        return "a header ends with as many ] as it begins with [";
    }
    if (!rest.empty() && !rest.starts_with('#')) {
        return "on the line of a header stands nothing else but a # comment";
    }
    const std::string_view name =
        trim(line.substr(static_cast<std::size_t>(opened), close - static_cast<std::size_t>(opened)));
    if (name.empty() || name.starts_with('.') || name.ends_with('.') || name.find("..") != kNone) {
        return "a part of the name in the header is empty";
    }
    return "a name in a header needs quotes when it has other characters than A-Z, a-z, 0-9, _ and -, or a "
           "dot: [partition.\"a.b\"]";
}

// A line that nothing of TOML begins like.
std::string odd_line(std::string_view line) {
    for (const std::string_view mark : {"<<<<<<<", "=======", ">>>>>>>"}) {
        if (line.starts_with(mark)) {
            return "a conflict of a merge was left in the file";
        }
    }
    return line.starts_with("//") || line.starts_with("/*") || line.starts_with(';')
               ? "a comment begins with #"
               : "";
}

// Where = was expected.
std::string without_equals(std::string_view line) {
    if (line.ends_with(']') && line.find_first_of("=:") == kNone) {
        return "the [ that begins the header is missing";
    }
    const std::size_t colon = line.find(':');
    const std::size_t equals = line.find('=');
    if (colon != kNone && colon < equals) {
        return "between a key and its value stands =, not :";
    }
    return equals == kNone ? "the = between the key and its value is missing"
                           : "this is not a key before the =: a key with other characters than A-Z, a-z, "
                             "0-9, _ and - needs "
                             "quotes";
}

// The rest of the line behind a complete value.
std::string behind_value(std::string_view rest) {
    if (rest.starts_with("//") || (rest.starts_with(';') && trim(rest.substr(1)).size() > 1)) {
        return "a comment begins with #";
    }
    if (rest.starts_with(',') || rest.starts_with(';')) {
        return "nothing stands behind a value on its line: leave out the " + std::string(rest.substr(0, 1));
    }
    return "nothing stands behind a value on its line but a # comment; a \" within a string is written \\\"";
}

std::string explained(std::string_view toml, TextPosition at, std::string_view described) {
    const std::size_t offset = offset_of(toml, at);
    const std::string_view line = line_at(toml, at);
    const auto says = [&](std::string_view part) { return described.find(part) != kNone; };
    if (auto twice = twice_declared(described); !twice.empty()) {
        return twice;
    }
    if (auto odd = misleading_character(toml.substr(offset)); !odd.empty()) {
        return odd;
    }
    if (auto odd = odd_line(line); !odd.empty()) {
        return odd;
    }
    if (says("after '\\r'")) {
        return plain_words(described);
    }
    if (line.starts_with('[') && (says("table header") || says("parsing key"))) {
        return header(line);
    }
    if (says("expected '='")) {
        return without_equals(line);
    }
    if (says("expected value")) {
        return "the value is missing";
    }
    if (says("expected a comment or whitespace")) {
        return behind_value(toml.substr(offset, toml.find('\n', offset) - offset));
    }
    const std::string quoted = better(bare_value(toml, offset));
    return quoted.empty() ? plain_words(described) : quoted;
}

}  // namespace

Slip find_slip(std::string_view toml, TextPosition at, std::string_view described) {
    if (const auto open = find_open_string(toml); open && *open <= at) {
        return {*open, "the string that begins here is not closed: its last quote is missing"};
    }
    return {at, explained(toml, at, described)};
}

}  // namespace partd::config
