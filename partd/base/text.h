// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// The parts between separators; "a..b" gives an empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
std::vector<std::string_view> split(std::string&& text, char separator) = delete;  // they would outlive it
// The parts between runs of blanks and tabs; never an empty one.
std::vector<std::string_view> words(std::string_view text);
std::vector<std::string_view> words(std::string&& text) = delete;
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trim(std::string_view text);

// The whole text as a number without sign, in base 10 (or 16); nullopt for anything else, overflow too.
std::optional<std::uint64_t> parse_number(std::string_view text, int base = 10);

// Safe for a terminal: control characters and invalid UTF-8 become \xNN.
std::string printable(std::string_view text);

// Valid as a D-Bus string: NUL and bytes that are not UTF-8 become \xNN.
std::string valid_utf8(std::string_view text);

// The candidate that a typing mistake away from word may have been meant; "" when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// FNV-1a, 64 bits: a short name for long texts, stable over versions and machines.
std::uint64_t fnv1a(std::string_view text);
// The text itself when it has at most `most` bytes, else its beginning and a hash of all of it in exactly
// `most`.
std::string shortened(std::string_view text, std::size_t most);

}  // namespace partd
