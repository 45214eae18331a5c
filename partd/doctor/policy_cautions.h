// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "doctor/cautions.h"

namespace partd {

// Adds cautions about entries of reach and admit that let nothing pass, or nothing that another one does not.
void look_at_policies(const Declared& declared, std::vector<Caution>& all);

}  // namespace partd
