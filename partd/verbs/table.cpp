// SPDX-License-Identifier: Apache-2.0
#include "verbs/table.h"

#include <algorithm>

namespace partd::verbs {

namespace {

std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string TextTable::text(bool with_header) const {
    std::vector<std::vector<std::string>> lines;
    if (with_header) {
        lines.push_back(header_);
    }
    lines.insert(lines.end(), rows_.begin(), rows_.end());
    std::vector<std::size_t> widths(header_.size());
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(line[i]));
        }
    }
    std::string all;
    for (const auto& line : lines) {
        std::string row;
        for (std::size_t i = 0; i < line.size(); ++i) {
            row += line[i] + std::string(widths[i] - width_of(line[i]) + 2, ' ');
        }
        row.erase(row.find_last_not_of(' ') + 1);
        all += row + "\n";
    }
    return all;
}

}  // namespace partd::verbs
