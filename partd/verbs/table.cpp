// SPDX-License-Identifier: Apache-2.0
#include "verbs/table.h"

#include <algorithm>
#include <numeric>

namespace partd::verbs {

namespace {

constexpr std::size_t kGap = 2;

// The number of bytes that the character, or the sequence of colors, at the text's beginning takes.
std::size_t length_of_first(std::string_view text) {
    if (text.starts_with('\033')) {
        return std::min(text.find('m'), text.size() - 1) + 1;
    }
    const auto goes_on = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
    return 1 + static_cast<std::size_t>(std::ranges::find_if_not(text.substr(1), goes_on) -
                                        text.substr(1).begin());
}

}  // namespace

std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        width += text.front() == '\033' ? 0 : 1;
        text.remove_prefix(length_of_first(text));
    }
    return width;
}

std::string cut_to(const std::string& text, std::size_t most) {
    if (width_of(text) <= most || most == 0) {
        return most == 0 ? "" : text;
    }
    std::string_view rest = text;
    for (std::size_t i = 1; i < most; ++i) {
        rest.remove_prefix(length_of_first(rest));
    }
    return text.substr(0, text.size() - rest.size()) + "…";
}

std::vector<std::size_t> TextTable::widths() const {
    std::vector<std::size_t> widths;
    std::ranges::transform(header_, std::back_inserter(widths), width_of);
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    return widths;
}

void TextTable::shrink(std::size_t column, std::size_t width) {
    const auto now = widths();
    const std::size_t whole = std::accumulate(now.begin(), now.end(), kGap * (now.size() - 1));
    if (whole <= width) {
        return;
    }
    const std::size_t others = whole - now[column];
    const std::size_t most =
        std::max(width_of(header_[column]), width > others ? width - others : std::size_t{0});
    for (auto& row : rows_) {
        row[column] = cut_to(row[column], most);
    }
}

std::string TextTable::text(bool with_header) const {
    std::vector<std::vector<std::string>> lines;
    if (with_header) {
        lines.push_back(header_);
    }
    lines.insert(lines.end(), rows_.begin(), rows_.end());
    const auto widest = widths();
    std::string all;
    for (const auto& line : lines) {
        std::string row;
        for (std::size_t i = 0; i < line.size(); ++i) {
            row += line[i] + std::string(widest[i] - width_of(line[i]) + kGap, ' ');
        }
        row.erase(row.find_last_not_of(' ') + 1);
        all += row + "\n";
    }
    return all;
}

}  // namespace partd::verbs
