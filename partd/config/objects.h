// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "config/grammar.h"
#include "model/declared.h"

namespace partd::config {

// Reads every object of the document by its table, in order. Templates are read too, for what is wrong with
// them.
Declared read_objects(const Value& document, const Grammar& grammar, Diagnostics& problems);

}  // namespace partd::config
