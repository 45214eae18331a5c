// SPDX-License-Identifier: Apache-2.0
#include "config/grammar.h"

#include "base/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::config {

const Declaration* Grammar::select(const Value& value, Diagnostics& problems) const {
    const Value* kind = declarations.size() > 1 ? value.find("kind") : nullptr;
    if (kind == nullptr) {
        return declarations.empty() ? nullptr : declarations.front();
    }
    const auto* word = kind->get_if<std::string>();
    if (word != nullptr && std::ranges::find(reserved, *word) != reserved.end()) {
        problems.error(kind->source, fmt::format("\"{}\" is not supported yet", *word));
        return nullptr;
    }
    std::string known;
    for (const Declaration* declaration : declarations) {
        if (word != nullptr && declaration->selector == *word) {
            return declaration;
        }
        known += fmt::format("{}\"{}\"", known.empty() ? "" : " or ", declaration->selector);
    }
    report_unexpected(*kind, known, problems);
    return nullptr;
}

std::vector<std::string_view> Grammar::child_names() const {
    std::vector<std::string_view> names;
    for (const auto& [name, child] : children) {
        names.emplace_back(name);
    }
    return names;
}

const Grammar* Grammar::below(std::string_view key) const {
    const auto child = children.find(key);
    return child != children.end() ? &child->second : named.get();
}

namespace {

Grammar& place_of(Grammar& root, std::string_view path) {
    Grammar* at = &root;
    for (std::string_view key : split(path, '.')) {
        const bool list = key.ends_with("[]");
        key.remove_suffix(list ? 2 : 0);
        if (key == "*") {
            if (!at->named) {
                at->named = std::make_unique<Grammar>();
            }
            at = at->named.get();
        } else {
            at = &at->children[std::string(key)];
        }
        at->list |= list;
    }
    return *at;
}

void add(Grammar& root, std::string_view path, const Declaration& declaration) {
    Grammar& place = place_of(root, path);
    if (!declaration.selector.empty() && declaration.table == nullptr) {
        place.reserved.push_back(declaration.selector);
    } else if (declaration.table == nullptr) {
        place.later = true;
    } else {
        place.declarations.push_back(&declaration);
    }
}

}  // namespace

Grammar make_grammar(Kinds kinds) {
    constexpr std::string_view kPartition = "partition.";
    Grammar root;
    for (const Kind* kind : kinds) {
        for (const Declaration& declaration : declarations_of(*kind)) {
            add(root, declaration.path, declaration);
            if (declaration.path.starts_with(kPartition)) {
                add(root, "template." + std::string(declaration.path.substr(kPartition.size())), declaration);
            }
        }
    }
    return root;
}

}  // namespace partd::config
