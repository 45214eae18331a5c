// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"
#include "model/resource.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace partd {

// A kind of resource, as far as it is pure: its names, fields and place in the language. What it does to the
// live host stands beside it in kinds/.
struct Kind {
    std::string_view name;                                     // "link"
    std::span<const Declaration> language = {};                // where files declare it
    std::span<const Declaration> (*declarations)() = nullptr;  // the same, of a kind whose types are listed

    Phase phase = Phase::None;  // of its resources

    // Turns what was declared into resources. Called once, with everything that was declared.
    void (*expand)(const Declared& declared, State& desired, Diagnostics& problems) = nullptr;
    // Adds what follows from the resources of all kinds (a table that their elements need): resources of its
    // own kind, and to these; those of others it leaves as they are.
    void (*complete)(const Declared& declared, State& desired, Diagnostics& problems) = nullptr;
    // What one of its resources is called now that a ledger of the version before has under that kind and
    // name; nullopt for what was none of this kind.
    std::optional<std::string> (*former)(std::string_view kind, std::string_view name) = nullptr;
    // A few words after the name, when it is made or removed.
    std::string (*summary)(const Spec& spec) = nullptr;
    // Changes of kinds with the same channel reach the kernel as one transaction, in the order of their
    // needs.
    std::string_view channel = {};
    // What a partition wants of it is for no other to mind that does not mention it, but for its claims and
    // for those that it meets. What several share follows from the union of what each of them wants of it.
    bool independent = false;
    // Whether one of another partition has to be thought of together with it; nullptr: never.
    bool (*interacts)(const Resource& one, const Resource& other) = nullptr;
    // Counts as one object of the administrator's for the delete limit.
    bool counts = false;
};

// Where files declare it.
inline std::span<const Declaration> declarations_of(const Kind& kind) {
    return kind.declarations == nullptr ? kind.language : kind.declarations();
}

using Kinds = std::span<const Kind* const>;

}  // namespace partd
