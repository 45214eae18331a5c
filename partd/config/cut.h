// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text_file.h"

#include <optional>
#include <set>
#include <string>

namespace partd::config {

// The tables that the file writes, those with keys of their own or a header, as paths of names: "partition",
// "web", "link", "eth0", each followed by the end of a line. Empty for a file that is not TOML.
std::set<std::string> tables_in(const TextFile& file);

// The file without these tables: their own keys, and of an object of a partition's (three names or more) also
// what is below it. All else keeps its line. nullopt when nothing is left, or it cannot be told apart by
// lines.
std::optional<TextFile> without_tables(const TextFile& file, const std::set<std::string>& tables);

}  // namespace partd::config
