// SPDX-License-Identifier: Apache-2.0
#include "kinds/machine/environment.h"

#include "base/text.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace partd {

namespace {

// Characters that need a backslash within double quotes.
constexpr std::string_view kEscaped = "\"\\`$";

std::string names_of(const Environment& variables) {
    std::vector<std::string> names;
    for (const auto& [name, value] : variables) {
        names.push_back(name);
    }
    return join(names, ", ");
}

}  // namespace

std::string environment_file(const Environment& variables) {
    std::string text;
    for (const auto& [name, value] : variables) {
        text += name + "=\"";
        for (const char byte : value) {
            text += kEscaped.contains(byte) ? fmt::format("\\{}", byte) : std::string(1, byte);
        }
        text += "\"\n";
    }
    return text;
}

Environment read_environment(std::string_view text) {
    Environment variables;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t equals = text.find("=\"", at);
        if (equals == std::string_view::npos) {
            break;
        }
        std::string& value = variables[std::string(text.substr(at, equals - at))];
        for (at = equals + 2; at < text.size() && text[at] != '"'; ++at) {
            at += text[at] == '\\' && at + 1 < text.size() ? 1 : 0;
            value += text[at];
        }
        at = std::min(text.size(), at + 2);  // behind the quote and the end of the line
    }
    return variables;
}

Sides told_environment(const Environment& from, const Environment& to) {
    std::vector<std::string> renewed;
    for (const auto& [name, value] : to) {
        if (const auto before = from.find(name); before != from.end() && before->second != value) {
            renewed.push_back(name);
        }
    }
    return {names_of(from),
            names_of(to) + (renewed.empty() ? "" : fmt::format(" (new values: {})", join(renewed, ", ")))};
}

Sides told_environment_files(const std::string& from, const std::string& to) {
    return told_environment(read_environment(from), read_environment(to));
}

}  // namespace partd
