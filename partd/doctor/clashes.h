// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "doctor/cautions.h"

namespace partd {

// Declared addresses of that partition, or of all with "", that this host contradicts now: forwards at
// addresses that nobody has here; host ends that take an address, a gateway or a network of the host's. An
// error when the host's addresses cannot be listed; nothing is asked where nothing is declared.
Result<std::vector<Caution>> clashes(const Declared& declared, std::string_view partition = {});

}  // namespace partd
