// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/value.h"

#include <string>

namespace partd::config {

// The form of a value in words, from its JSON Schema: "true or false", "a list; each is an IP address like
// "10.1.1.1"". Of a table, or of a list of tables, without its keys.
std::string form_text(const Value& schema);

// The keys of a table, or of the tables of a list, by their names (JSON Schema's "properties"); nullptr for
// what has none.
const Object* keys_of(const Value& schema);

}  // namespace partd::config
