// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verbs/verbs.h"

namespace partd::verbs {

// As apply(). `as_written`: files that were rolled back count again, and held ones are taken up.
Answer apply_files(Engine& engine, const Request& request, bool as_written);

}  // namespace partd::verbs
