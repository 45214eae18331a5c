// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// Makes, changes or removes a link (rtnetlink(7)).
Result<> apply_link(ApplyContext& context, const Change& change, std::size_t number);

}  // namespace partd
