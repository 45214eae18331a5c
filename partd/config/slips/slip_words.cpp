// SPDX-License-Identifier: Apache-2.0
#include "config/slips/slip_words.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace partd::config {

namespace {

constexpr auto kNone = std::string_view::npos;

// A part of the parser's description (toml++ 3.3), and what to say; the first that fits counts.
struct Words {
    std::string_view part;
    std::string_view plain;
};
constexpr std::array<Words, 25> kWords = {{
    {"utf-8", "the file is not UTF-8 here: save it as UTF-8"},
    {"vertical tabs", "a form feed or vertical tab ends no line: leave it out"},
    {"after '\\r'", "a carriage return alone ends no line: save the file with the line ends of Unix"},
    {"control characters", "the string has a control character: leave it out"},
    {"unicode",
     "\\u takes the four hexadecimal digits of a character, \\U eight: for a plain \\ write \\\\, or "
     "put the string in ' '"},
    {"escape sequence",
     "in \" \" the \\ stands only before b, t, n, f, r, u, U, \" and \\: for a plain \\ write "
     "\\\\, or put the string in ' '"},
    {"leading zeroes", "a number has no zero in front: leave it out, or put a text in quotes"},
    {"not representable", "the number is too large"},
    {"could not be interpreted", "the number is too large"},
    {"underscore", "in a number an _ stands only between two digits"},
    {"parsing date", "this reads as a date or a time, which no key takes: put a text in quotes"},
    {"parsing time", "this reads as a date or a time, which no key takes: put a text in quotes"},
    {"dangling comma", "no comma stands before the } that ends a table"},
    {"expected comma or closing ']'", "a comma, or the ] that ends the list, is missing before this"},
    {"expected comma or closing '}'", "a comma, or the } that ends the table, is missing before this"},
    {"inline table: encountered end-of-file", "the } that ends the table is missing"},
    {"inline table: expected key or closing '}', saw '\\n'",
     "a table in { } ends on the line where it begins"},
    {"parsing inline table", "in { } stand KEY = VALUE, with one comma between two of them"},
    {"array: encountered end-of-file", "the ] that ends the list is missing"},
    {"parsing array", "in [ ] stand values, with one comma between two of them"},
    {"end-of-file", "the file ends before this is complete"},
    {"integer", "the number is not complete: put a text in quotes"},
    {"floating-point", "the number is not complete: put a text in quotes"},
    {"parsing value", "this is not a value: a text needs quotes, a list stands in [ ], a table in { }"},
    {"boolean", "this is not a value: a text needs quotes"},
}};

// The text between the first two apostrophes.
std::string_view named_in(std::string_view described) {
    const std::size_t begin = described.find('\'');
    const std::size_t end = begin == kNone ? kNone : described.find('\'', begin + 1);
    return end == kNone ? std::string_view("this") : described.substr(begin + 1, end - begin - 1);
}

constexpr std::array<std::string_view, 11> kQuotes = {
    "\u201c", "\u201d", "\u201e", "\u201f", "\u2018", "\u2019", "\u201a", "\u00ab", "\u00bb", "\u00b4", "`"};
constexpr std::array<std::string_view, 9> kBlanks = {"\u00a0", "\u2002", "\u2003", "\u2009", "\u200a",
                                                     "\u200b", "\u202f", "\u3000", "\ufeff"};
constexpr std::array<std::string_view, 3> kDashes = {"\u2013", "\u2014", "\u2212"};

bool begins_with_one(std::string_view text, std::span<const std::string_view> all) {
    return std::ranges::any_of(all, [&](std::string_view each) { return text.starts_with(each); });
}

}  // namespace

std::string plain_words(std::string_view described) {
    const auto found =
        std::ranges::find_if(kWords, [&](const Words& words) { return described.find(words.part) != kNone; });
    return std::string(found != kWords.end()
                           ? found->plain
                           : "this is not TOML: a line is KEY = VALUE, a [HEADER] or a # comment");
}

std::string twice_declared(std::string_view described) {
    if (described.find("redefine") == kNone && described.find("into existing inline table") == kNone) {
        return "";
    }
    const std::string_view name = named_in(described);
    if (described.find(" as ") != kNone) {
        return fmt::format("{} is there already, as another kind: a value, a [table] or a [[list]]", name);
    }
    if (described.find("inline table") != kNone) {
        return fmt::format("{} adds to a table in {{ }}: an inline table is complete where it stands", name);
    }
    return described.find("existing table") != kNone
               ? fmt::format("[{}] is there already: write all its keys below one header", name)
               : fmt::format("{} is there already in this table: a key has one value", name);
}

std::string misleading_character(std::string_view text) {
    if (begins_with_one(text, kQuotes)) {
        return "a string has plain quotes, \" or ', and no others";
    }
    if (begins_with_one(text, kBlanks)) {
        return "this blank is none of the plain ones (no-break, or without width): type it anew";
    }
    return begins_with_one(text, kDashes) ? "this dash is not a minus: write -" : "";
}

}  // namespace partd::config
