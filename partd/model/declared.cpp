// SPDX-License-Identifier: Apache-2.0
#include "model/declared.h"

#include <algorithm>
#include <ranges>

namespace partd {

const Source& DeclaredObject::place(std::string_view field) const {
    const auto found = std::ranges::find(declaration->table->fields, field, &Field::name);
    const auto* place = places.of(static_cast<std::size_t>(found - declaration->table->fields.begin()));
    return place == nullptr ? source : *place;
}

std::set<std::string> Declared::owners() const {
    const auto names = std::views::keys(by_owner_);
    return {names.begin(), names.end()};
}

void Declared::add(DeclaredObject object) {
    const DeclaredObject& added = objects_.emplace_back(std::move(object));
    order_.push_back(&added);
    by_owner_[added.owner].push_back(&added);
}

}  // namespace partd
