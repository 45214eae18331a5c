#pragma once

#include "kinds/kinds.h"

namespace partd {

// Makes, changes or removes a link (rtnetlink(7)).
Result<> apply_link(Doing& doing, const Change& change, std::size_t number);

}  // namespace partd
