// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/kind.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace partd::config {

// One place in the language: what stands there, and what may stand below. Made from the declarations of all
// kinds.
struct Grammar {
    std::vector<const Declaration*> declarations;  // more than one: told apart by their selector
    std::vector<std::string_view> reserved;        // selectors that are known, but not supported yet
    std::map<std::string, Grammar, std::less<>> children;
    std::unique_ptr<Grammar> named;  // below any name ("*")
    bool list = false;               // an array of such objects
    bool later = false;              // known, but not supported yet

    // The declaration that an object here follows by its key "kind"; nullptr where there is none, or after
    // telling that the word is unknown or not supported yet.
    [[nodiscard]] const Declaration* select(const Value& value, Diagnostics& problems) const;
    [[nodiscard]] std::vector<std::string_view> child_names() const;
    // The place below a key; nullptr when there is none.
    [[nodiscard]] const Grammar* below(std::string_view key) const;
};

// The whole language. "template.*" is what "partition.*" is.
Grammar make_grammar(Kinds kinds);

}  // namespace partd::config
