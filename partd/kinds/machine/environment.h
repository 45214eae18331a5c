// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/field.h"

#include <map>
#include <string>
#include <string_view>

namespace partd {

// Variables of a program: their names are told, their values are not.
using Environment = std::map<std::string, std::string>;

// The text of a file with them, as EnvironmentFile= has it (systemd.exec(5)): NAME="VALUE", a line each.
std::string environment_file(const Environment& variables);
// Reads such a text.
Environment read_environment(std::string_view text);

// "A, B" and "B, C (new values: B)".
Sides told_environment(const Environment& from, const Environment& to);
// As told_environment(), of two such files.
Sides told_environment_files(const std::string& from, const std::string& to);

}  // namespace partd
