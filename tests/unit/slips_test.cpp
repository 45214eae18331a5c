// SPDX-License-Identifier: Apache-2.0
// Slips of the keyboard, and what they are told in.

#include "base/text.h"
#include "config/toml.h"

#include <array>
#include <functional>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

/// The message about a file; "" if it is valid TOML.
std::string said(const std::string& text) {
    Diagnostics problems;
    (void)config::parse_toml({"x.toml", text}, problems);
    return problems.empty() ? "" : problems.problems().front().message;
}

constexpr std::array<std::string_view, 14> kLines = {
    "[partition.web]",
    "description = \"the web\"",
    "namespaces = [\"net\", \"uts\"]",
    "mtu = 1400",
    "[partition.web.link.eth0]",
    "address = [\"10.1.1.1/24\", \"fd00:1::1/64\"]",
    "peer = { name = \"veth0\", address = [\"10.1.1.2/24\"], mtu = 68 }",
    "[[partition.web.route]]",
    "to = \"default\"",
    "metric = 100",
    "[partition.web.cgroup]",
    "memory.max = \"512M\"",
    "cpu.max = \"50%\"",
    "freeze = false"};

/// The document with that line in place of one of its own.
std::string with_line(std::size_t at, const std::string& line) {
    std::string text;
    for (std::size_t i = 0; i < kLines.size(); ++i) {
        text += (i == at ? line : std::string(kLines[i])) + "\n";
    }
    return text;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const auto at = text.find(what);
    return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

/// Ways to mistype a line.
std::vector<std::string> mistyped(const std::string& line) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (std::string_view("\"[]{}=,. ").find(line[i]) != std::string_view::npos) {
            all.push_back(line.substr(0, i) + line.substr(i + 1));
            all.push_back(line.substr(0, i) + line[i] + line.substr(i));
            all.push_back(line.substr(0, i));
        }
    }
    for (const auto& [what, by] :
         std::initializer_list<std::pair<const char*, const char*>>{{" =", ":"},
                                                                    {" = ", " : "},
                                                                    {"=", "=="},
                                                                    {"=", "=>"},
                                                                    {"=", ":="},
                                                                    {" = ", " "},
                                                                    {"\"", "\u201c"},
                                                                    {"\"", "'"},
                                                                    {"\"", "`"},
                                                                    {"\"", "\u00ab"},
                                                                    {" ", "\u00a0"},
                                                                    {" ", "\u200b"},
                                                                    {"\"", "\"\t"},
                                                                    {"[", "("},
                                                                    {"]", ")"},
                                                                    {"]", "}"},
                                                                    {"1",
                                                                     "\u2013"
                                                                     "1"},
                                                                    {".", ".."},
                                                                    {"web", "web/x"},
                                                                    {"web", "w\u00e9b"},
                                                                    {"web", "a b"},
                                                                    {"web", ""},
                                                                    {"\"", "\"\\x"},
                                                                    {"\"", "\"\\u1"},
                                                                    {"\"", "\"\\U00110000"},
                                                                    {"\"", "\"\x01"},
                                                                    {"1", "01"},
                                                                    {"1", "1_"},
                                                                    {"1", "0x"},
                                                                    {"1", "1e"},
                                                                    {"1", "99999999999999999999"},
                                                                    {"1", "2026-13-"},
                                                                    {"1", "12:61:"},
                                                                    {"false", "False"},
                                                                    {"false", "no"},
                                                                    {"=", "= \n"},
                                                                    {",", ";"},
                                                                    {",", ",,"},
                                                                    {", ", " "},
                                                                    {"[", "[\n["},
                                                                    {"{", "{\n"},
                                                                    {"}", ", }"},
                                                                    {"m",
                                                                     "\r"
                                                                     "m"},
                                                                    {"e", "\f"}}) {
        all.push_back(replaced(line, what, by));
    }
    for (const char* before :
         {"// x\n", "; x\n", "/* x */\n", "- ", "$", "set ", "<<<<<<< HEAD\n", "\ufeff", "+", "\xff"}) {
        all.push_back(before + line);
    }
    for (const char* behind :
         {";", ",", " // x", " ; x", " x", "\"", "]", "}", " {", ":", "\r", "\x1a", " = 1"}) {
        all.push_back(line + behind);
    }
    all.push_back(line + "\n" + line);
    return all;
}

}  // namespace

TEST_CASE("No slip is told in the parser's words") {
    std::size_t told = 0;
    for (std::size_t at = 0; at < kLines.size(); ++at) {
        for (const std::string& line : mistyped(std::string(kLines[at]))) {
            const std::string message = said(with_line(at, line));
            told += message.empty() ? 0 : 1;
            for (const char* word : {"Error while", "saw '", "redefine", "encountered", "Encountered", "U+",
                                     "toml", "key-value", "scalar", "dangling", "prohibited"}) {
                INFO(printable(line) << ": " << message);
                CHECK(message.find(word) == std::string::npos);
            }
        }
    }
    CHECK(told > 500);
}

TEST_CASE("Slips are told in plain words") {
    const auto value = [](const std::string& text) { return said("[partition.web]\nmtu = " + text + "\n"); };
    const auto line = [](const std::string& text) { return said("[partition.web]\n" + text + "\n"); };
    CHECK(line("mtu: 5") == "between a key and its value stands =, not :");
    CHECK(line("mtu 5") == "the = between the key and its value is missing");
    CHECK(line("partition.b]") == "the [ that begins the header is missing");
    CHECK(line("[partition.b") == "the ] that ends the header is missing");
    CHECK(line("[[partition.b.route]") == "a header ends with as many ] as it begins with [");
    CHECK(line("[partition..b]") == "a part of the name in the header is empty");
    CHECK(line("[partition.b] mtu = 5") == "on the line of a header stands nothing else but a # comment");
    CHECK(line("// a note") == "a comment begins with #");
    CHECK(line("<<<<<<< HEAD") == "a conflict of a merge was left in the file");
    CHECK(line("mtu = 5\nmtu = 6") == "mtu is there already in this table: a key has one value");
    CHECK(line("[partition.web]") == "[partition.web] is there already: write all its keys below one header");
    CHECK(line("a = 1\n[partition.web.a]") ==
          "partition.web.a is there already, as another kind: a value, a [table] or a [[list]]");
    CHECK(line("mtu\u00a0= 5") ==
          "this blank is none of the plain ones (no-break, or without width): type it anew");
    CHECK(value("\u201cabc\u201d") == "a string has plain quotes, \" or ', and no others");
    CHECK(value("abc\"") == "the first quote of this string is missing");
    CHECK(value("\u22125") == "this dash is not a minus: write -");
    CHECK(value("") == "the value is missing");
    CHECK(value("5;") == "nothing stands behind a value on its line: leave out the ;");
    CHECK(value("5 // note") == "a comment begins with #");
    CHECK(value("\"a\" \"b\"") ==
          "nothing stands behind a value on its line but a # comment; a \" within a string is written \\\"");
    CHECK(value("010") == "a number has no zero in front: leave it out, or put a text in quotes");
    CHECK(value("1__0") == "in a number an _ stands only between two digits");
    CHECK(value("99999999999999999999") == "the number is too large");
    CHECK(value("2026-13-01") == "this reads as a date or a time, which no key takes: put a text in quotes");
    CHECK(value("[1 2]") == "a comma, or the ] that ends the list, is missing before this");
    CHECK(value("[1,,2]") == "the value is missing");
    CHECK(value("[1,") == "the ] that ends the list is missing");
    CHECK(value("{ a = 1 b = 2 }") == "a comma, or the } that ends the table, is missing before this");
    CHECK(value("{ a = 1, }") == "no comma stands before the } that ends a table");
    CHECK(value("{\n a = 1 }") == "a table in { } ends on the line where it begins");
    CHECK(value("\"C:\\Users\"").starts_with("\\u takes the four hexadecimal digits"));
    CHECK(value("\"a\\qb\"").starts_with("in \" \" the \\ stands only before"));
    CHECK(value("\"a\x01\"") == "the string has a control character: leave it out");
    CHECK(said("[partition.web]\r[x]") ==
          "a carriage return alone ends no line: save the file with the line ends of Unix");
    CHECK(said("a = \"\xff\"") == "the file is not UTF-8 here: save it as UTF-8");
    // DOS line ends and a byte order mark are not slips.
    CHECK(said("\ufeff[partition.web]\r\nmtu = 5\r\n") == "");
}
