// SPDX-License-Identifier: Apache-2.0
#include "base/hint.h"

#include "base/text.h"

#include <fmt/format.h>

namespace partd {

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates,
                         std::string_view otherwise) {
    const std::string_view near = nearest(word, candidates);
    return near.empty() ? std::string(otherwise) : fmt::format("; did you mean \"{}\"?", near);
}

std::string with_article(std::string_view noun) {
    const bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos;
    return (vowel ? "an " : "a ") + std::string(noun);
}

}  // namespace partd
