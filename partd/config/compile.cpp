// SPDX-License-Identifier: Apache-2.0
#include "config/compile.h"

#include "config/document.h"
#include "config/objects.h"
#include "model/phase.h"

#include <set>
#include <unordered_map>

#include <fmt/format.h>

namespace partd::config {

namespace {

// Two resources may want the same name of the host; only one can have it.
void check_claims(const State& desired, Diagnostics& problems) {
    std::unordered_map<std::string, const Resource*> holders;
    std::set<std::pair<std::string, std::string>> told;
    for (const Resource& resource : desired.all()) {
        for (const std::string& claim : resource.exclusive_names) {
            const auto [entry, first] = holders.try_emplace(claim, &resource);
            // Two links of one name want much in common: once is enough.
            if (!first && told.emplace(resource.source.text(), entry->second->source.text()).second) {
                problems.error(resource.source,
                               fmt::format("{} and {} both want {}", resource.key.text(),
                                           entry->second->key.text(), claim),
                               entry->second->source, "the other one");
            }
        }
    }
}

}  // namespace

Compiled compile(std::span<const TextFile> files, Kinds kinds) {
    Compiled result;
    const Grammar grammar = make_grammar(kinds);
    const Value merged = merge_files(parse_files(files, result.problems), grammar, result.problems);
    const Value document = expand_templates(merged, result.problems);
    result.declared = read_objects(document, grammar, result.problems);
    if (!result.problems.empty()) {
        return result;  // errors that follow from half-read objects would only be noise
    }
    for (const Kind* kind : kinds) {
        if (kind->expand != nullptr) {
            kind->expand(result.declared, result.desired, result.problems);
        }
    }
    for (const Kind* kind : kinds) {
        if (kind->complete != nullptr) {
            kind->complete(result.declared, result.desired, result.problems);
        }
    }
    add_phase_needs(result.desired);
    check_claims(result.desired, result.problems);
    return result;
}

}  // namespace partd::config
