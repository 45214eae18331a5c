// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/text_file.h"
#include "base/value.h"

#include <optional>

namespace partd::config {

// Most bytes of a configuration file.
inline constexpr std::size_t kMaxFileSize = std::size_t{1} << 20;

// The file as a tree of values with their places, members in the file's order (TOML v1.0). nullopt after
// reporting what is wrong: syntax, nesting or dotted keys deeper than any that partd has, dates, infinities,
// control characters.
std::optional<Value> parse_toml(const TextFile& file, Diagnostics& problems);

}  // namespace partd::config
