// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"
#include "model/resource.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace partd {

// The pure part of a kind of resource: its names, fields and place in the language. Its access to the live
// host is in kinds/.
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
    // Returns the present name of a resource of this kind that a ledger of the previous version has under
    // that kind and name; nullopt if it is not of this kind.
    std::optional<std::string> (*former)(std::string_view kind, std::string_view name) = nullptr;
    // A few words after the name, when it is made or removed.
    std::string (*summary)(const Spec& spec) = nullptr;
    // Changes of kinds with the same channel reach the kernel as one transaction, in the order of their
    // needs.
    std::string_view channel = {};
    // Resources of this kind depend on their own partition's declarations only, except for conflicting
    // `exclusive_names` and pairs for which `interacts` is true. Shared ones are the union over all
    // partitions.
    bool independent = false;
    // True if an edit of one needs the other, of another partition, compiled as well; nullptr: never.
    bool (*interacts)(const Resource& one, const Resource& other) = nullptr;
    // Counts as one object of the administrator's for the delete limit.
    bool counts = false;
    // In text for people one line with these words stands for its making or removal, and for all that is made
    // or removed beside it of kinds that are `backstage`.
    std::string_view front = {};
    bool backstage = false;
};

// Where files declare it.
inline std::span<const Declaration> declarations_of(const Kind& kind) {
    return kind.declarations == nullptr ? kind.language : kind.declarations();
}

using Kinds = std::span<const Kind* const>;

}  // namespace partd
