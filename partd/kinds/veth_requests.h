#pragma once

#include "kinds/kinds.h"

namespace partd {

// Makes, changes or removes a veth pair (veth(4), rtnetlink(7)).
Result<> apply_veth(Doing& doing, const Change& change, std::size_t number);

}  // namespace partd
