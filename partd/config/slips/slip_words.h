// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace partd::config {

// Puts what the parser of TOML says into words that need no knowledge of it: of a description that tells all
// by itself. Never empty.
std::string plain_words(std::string_view described);

// "cannot redefine existing string 'description'": the same in plain words; "" for any other description.
std::string twice_declared(std::string_view described);

// A character that looks like another one, at the beginning of that text: quotes of a word processor, blanks
// that are none. "" when there is none.
std::string misleading_character(std::string_view text);

}  // namespace partd::config
