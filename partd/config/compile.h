// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/text_file.h"
#include "model/kind.h"

#include <span>

namespace partd::config {

// The compiled files and all problems found in them. A state with problems must not be applied.
struct Compiled {
    Declared declared;
    State desired;
    Diagnostics problems;
};

// From texts to the desired state, without looking at the host.
Compiled compile(std::span<const TextFile> files, Kinds kinds);

// The manual page of the language, partd.toml(5), in roff. Each place is shown by what one of the examples
// declares there.
std::string manual(Kinds kinds, std::span<const TextFile> examples);

// The JSON Schema (draft 2020-12) of the whole language.
Value schema(Kinds kinds);

}  // namespace partd::config
