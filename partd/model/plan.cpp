// SPDX-License-Identifier: Apache-2.0
#include "model/plan.h"

#include <algorithm>

namespace partd {

std::string_view action_text(Action action) {
    static constexpr std::string_view kTexts[] = {"create", "update", "remove"};
    return kTexts[static_cast<std::size_t>(action)];
}

bool Change::changes(std::string_view field) const {
    return std::ranges::any_of(fields,
                               [&](const FieldChange& change) { return change.field->name == field; });
}

}  // namespace partd
