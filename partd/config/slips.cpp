#include "config/slips.h"

#include "base/text.h"

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
        return fmt::format("{} is no value: write {}", value,
                           std::ranges::find(kTrue, lower) != kTrue.end() ? "true" : "false");
    }
    const bool number = value.find_first_not_of("+-_0123456789") == kNone;
    const bool quoted = value.find_first_of("\"'=[{") != kNone;
    return value.empty() || number || quoted || value.size() > kMostShown
               ? std::string()
               : fmt::format("a value that is no number needs quotes: \"{}\"", value);
}

std::string header(std::string_view toml, TextPosition at, std::string_view described) {
    if (described.find("expected ']'") == kNone) {
        return "";
    }
    const std::size_t begin = offset_of(toml, {at.line, 1});
    const std::string_view line = toml.substr(begin, toml.find('\n', begin) - begin);
    return line.find(']') == kNone ? "the ] that ends the header is missing"
                                   : "a name in a header needs quotes when it has other characters than A-Z, "
                                     "a-z, 0-9, _ and -, or a dot: [partition.\"a.b\"]";
}

std::string explained(std::string_view toml, TextPosition at, std::string_view described) {
    if (described.find("table header") != kNone) {
        return header(toml, at, described);
    }
    if (described.find("redefine") != kNone || described.find("expected '='") != kNone) {
        return "";
    }
    if (described.find("expected value") != kNone) {
        return "the value is missing";
    }
    return better(bare_value(toml, offset_of(toml, at)));
}

}  // namespace

Slip find_slip(std::string_view toml, TextPosition at, std::string_view described) {
    if (const auto open = find_open_string(toml); open && *open <= at) {
        return {*open, "the string that begins here is not closed: its last quote is missing"};
    }
    const std::string message = explained(toml, at, described);
    return {at, message.empty() ? std::string(described) : message};
}

}  // namespace partd::config
