// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace partd::config {

// The language itself needs eight.
inline constexpr unsigned kMaxNesting = 32;

struct TextPosition {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
    auto operator<=>(const TextPosition&) const = default;
};

// Where a TOML text goes deeper than kMaxNesting by dots of keys, brackets or braces; nullopt if nowhere.
// toml++ recurses by each of them, so this comes first: 40 KiB of dots overflow a stack of 1 MiB.
std::optional<TextPosition> find_deep_nesting(std::string_view toml);

// Where the first string begins that nothing closes; nullopt if none.
std::optional<TextPosition> find_open_string(std::string_view toml);

}  // namespace partd::config
