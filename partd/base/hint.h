// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace partd {

// "; did you mean "web"?" for the candidate that word is a typing mistake away from, else `otherwise`.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view otherwise = {});

// "a bridge", "an ifb".
std::string with_article(std::string_view noun);

}  // namespace partd
