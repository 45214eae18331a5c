#pragma once

#include "kinds/veth.h"

namespace partd {

// Finds the pairs by the marks of their ends, in the namespaces of the look and on the host.
Result<> observe_veths(Look& look);

// The name of an interface in its namespace, which only one can have.
std::string name_claim(const LinkEnd& end);

}  // namespace partd
