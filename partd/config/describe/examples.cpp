// SPDX-License-Identifier: Apache-2.0
#include "config/describe/examples.h"

#include "base/text.h"

#include <algorithm>
#include <vector>

namespace partd::config {

namespace {

constexpr std::size_t kMostLines = 10;

// The place of a header: "partition.web.nat.forward[]" of "[[partition.web.nat.forward]]". "" of another
// line.
std::string path_of(std::string_view line) {
    line = trim(line.substr(0, line.find('#')));
    const bool list = line.starts_with("[[") && line.ends_with("]]");
    if (!line.starts_with('[') || !line.ends_with(']')) {
        return {};
    }
    line.remove_prefix(list ? 2 : 1);
    line.remove_suffix(list ? 2 : 1);
    return std::string(line) + (list ? "[]" : "");
}

// A name of its own in the place of a "*"; "lo" is a place of its own.
bool is_at(std::string_view path, std::string_view place) {
    const auto parts = split(path, '.');
    const auto wanted = split(place, '.');
    return std::ranges::equal(parts, wanted, [](std::string_view part, std::string_view want) {
        return part == want || (want == "*" && part != "lo");
    });
}

bool is_of_kind(std::span<const std::string_view> lines, std::string_view selector) {
    const auto kind = std::ranges::find_if(lines, [](auto line) { return line.starts_with("kind = "); });
    return kind == lines.end() ? selector.empty()
                               : kind->starts_with("kind = \"" + std::string(selector) + "\"");
}

}  // namespace

std::string example_of(std::string_view path, std::string_view selector, std::span<const TextFile> examples) {
    std::vector<std::string_view> best;
    for (const TextFile& file : examples) {
        const auto lines = split(file.text, '\n');
        for (auto line = lines.begin(); line != lines.end(); ++line) {
            if (!is_at(path_of(*line), path)) {
                continue;
            }
            const auto end = std::find_if(line, lines.end(), [](auto each) { return trim(each).empty(); });
            const auto size = static_cast<std::size_t>(end - line);
            if (size > best.size() && size <= kMostLines && is_of_kind({line, end}, selector)) {
                best.assign(line, end);
            }
        }
    }
    return join(std::vector<std::string>(best.begin(), best.end()), "\n");
}

}  // namespace partd::config
