// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace partd::verbs {

// The columns of a terminal that nobody widened.
inline constexpr std::size_t kScreen = 80;

// The columns that a text takes: its characters, not its bytes, and no sequence that colors them.
std::size_t width_of(std::string_view text);
// The text itself, or its beginning and "…" in `most` columns; the text has no colors.
std::string cut_to(const std::string& text, std::size_t most);

// Lines of columns, each as wide as its longest cell.
class TextTable {
public:
    explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    // Cuts the cells of that column, down to its heading at least, until lines fit into `width`.
    void shrink(std::size_t column, std::size_t width = kScreen);
    [[nodiscard]] std::string text(bool with_header) const;

private:
    [[nodiscard]] std::vector<std::size_t> widths() const;

    std::vector<std::string> header_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace partd::verbs
