// SPDX-License-Identifier: Apache-2.0
#include "base/source.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace partd {

std::string Source::prefix() const {
    return *this ? text() + ": " : "";
}

std::string Source::place() const {
    return file ? *file + ":" + std::to_string(line) : std::string();
}

std::string Source::text() const {
    return file ? place() + ":" + std::to_string(column) : std::string();
}

void Places::set(std::size_t field, Source at) {
    entries_.push_back({std::move(at), static_cast<std::uint32_t>(field)});
}

const Source* Places::of(std::size_t field) const {
    const auto found = std::ranges::find(entries_, field, &Entry::field);
    return found == entries_.end() ? nullptr : &found->at;
}

bool declared_before(const Source& a, const Source& b) {
    static const std::string kNowhere;
    const std::string& fa = a.file ? *a.file : kNowhere;
    const std::string& fb = b.file ? *b.file : kNowhere;
    return std::tie(fa, a.line, a.column) < std::tie(fb, b.line, b.column);
}

}  // namespace partd
