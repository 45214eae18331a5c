// SPDX-License-Identifier: Apache-2.0
#include "kinds/absolute_path.h"

#include "base/text.h"

#include <algorithm>

namespace partd {

std::optional<AbsolutePath> AbsolutePath::parse(std::string_view text) {
    const auto parts = split(text, '/');
    const auto is_control = [](char byte) {
        return static_cast<unsigned char>(byte) < ' ' || byte == '\x7f';
    };
    if (!text.starts_with('/') || std::ranges::find(parts, "..") != parts.end() ||
        std::ranges::any_of(text, is_control)) {
        return std::nullopt;
    }
    AbsolutePath path;
    for (const std::string_view part : parts) {
        if (!part.empty() && part != ".") {
            path.append("/").append(part);
        }
    }
    return path.empty() ? AbsolutePath("/") : path;
}

}  // namespace partd
