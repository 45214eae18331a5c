// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verbs/verbs.h"

#include <map>
#include <string>

namespace partd::verbs {

// All figures in the text format of Prometheus: those of the engine's work, and of each partition its state
// and what its control group uses.
std::string metrics_text(Engine& engine, const std::map<std::string, std::string>& states);

}  // namespace partd::verbs
