// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/codec.h"

#include <optional>
#include <string>
#include <string_view>

namespace partd {

// A path from the root, without "..", as it is written shortest: "/srv//web/" is "/srv/web".
struct AbsolutePath : std::string {
    using std::string::string;
    static std::optional<AbsolutePath> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
template <>
struct TextFormat<AbsolutePath> {
    static constexpr std::string_view
        kExpected = "a path that begins with '/', without \"..\" and control characters",
        kPattern = "^/[^\\x00-\\x1f\\x7f]*$";
};

}  // namespace partd
