// SPDX-License-Identifier: Apache-2.0
#include "base/names.h"

#include "base/text.h"

#include <algorithm>

namespace partd {

namespace {

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool valid_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && is_alnum(name.front()) && is_alnum(name.back()) &&
           std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

bool valid_if_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxIfName || name == "." || name == ".." || name == "all" ||
        name == "default" || name.front() == '-') {
        return false;
    }
    const auto fits = [](char c) {
        return static_cast<unsigned char>(c) > ' ' && c != '/' && c != ':' && c != '%';
    };
    return std::ranges::all_of(name, fits) && printable(name) == name;
}

std::string unit_escape(std::string_view name) {
    std::string escaped;
    for (const char c : name) {
        escaped += c == '-' ? std::string("\\x2d") : std::string(1, c);
    }
    return escaped;
}

}  // namespace partd
