// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "config/compile.h"
#include "config/describe/examples.h"
#include "config/describe/forms.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <fmt/format.h>

namespace partd::config {

namespace {

constexpr std::string_view kIntroduction = R"(.TH PARTD.TOML 5
.SH NAME
partd.toml \- declarations of partitions for partctl(8)
.SH SYNOPSIS
/etc/partd/*.toml, /run/partd/*.toml, /usr/lib/partd/*.toml
.SH DESCRIPTION
All files together make one document in TOML. A file of a directory named earlier replaces one of the same name in a
later one; a link to /dev/null masks it. An empty file is an error. Names of files carry no meaning, and an object is declared
once. This page is made from the tables by which the program reads the files.
)";

// Text is safe in roff when its backslashes and leading dots are.
std::string roff(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        safe += c == '\\' ? std::string("\\e") : c == '-' ? std::string("\\-") : std::string(1, c);
    }
    return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

std::string heading(std::string_view path) {
    std::string name;
    for (const std::string_view part : split(path, '.')) {
        const bool interface = name.ends_with("link");
        name += (name.empty() ? "" : ".") +
                (part == "*" ? std::string(interface ? "IFNAME" : "NAME") : std::string(part));
    }
    const bool list = name.ends_with("[]");
    return list ? "[[" + name.substr(0, name.size() - 2) + "]]" : "[" + name + "]";
}

// A word of a list of definitions, in bold.
std::string term(std::string_view word) {
    return fmt::format(".TP\n.B {}\n", roff(word));
}

// The keys of the tables that a key holds: "nexthop" of a route, "mounts" of a root.
std::string nested_text(const Value& schema) {
    const Object* keys = keys_of(schema);
    if (keys == nullptr) {
        return {};
    }
    std::string text = ".RS\n";
    for (const Member& key : *keys) {
        const Value* described = key.value.find("description");
        const auto* words = described == nullptr ? nullptr : described->get_if<std::string>();
        text += term(key.key) + roff(words == nullptr ? form_text(key.value) : *words) + ".\n" +
                nested_text(key.value);
    }
    return text + ".RE\n";
}

std::string range_text(const FieldOptions& options) {
    constexpr FieldOptions kOpen;
    if (options.min == kOpen.min || options.max == kOpen.max) {
        return {};
    }
    return fmt::format(", {} to {}{}{}", options.min, options.max, options.unit.empty() ? "" : " ",
                       options.unit);
}

// Its meaning; on a line below, its form, range and default.
std::string key_text(const Field& field) {
    const FieldOptions& options = field.options;
    const Value schema = field.schema();
    std::string text = term(field.name) + roff(field.description) + ".\n.br\n";
    text += fmt::format("Form: {}{}{}.", roff(form_text(schema)), roff(range_text(options)),
                        options.required ? "; required" : "");
    if (!options.fallback.empty()) {
        text += fmt::format(" Default: {}.", roff(options.fallback));
    }
    return text + "\n" + nested_text(schema);
}

// The keys that were not described before, behind the names of those that were. One name may stand for
// something else in another kind.
std::string keys_text(const Table& table, std::set<std::string>& described) {
    std::string text;
    std::string shared;
    for (const Field& field : table.fields) {
        if (field.options.role == Role::Later || field.options.live) {
            continue;
        }
        std::string key = key_text(field);
        if (described.insert(key).second) {
            text += key;
        } else {
            shared += (shared.empty() ? "" : ", ") + std::string(field.name);
        }
    }
    return (shared.empty() ? "" : fmt::format("Keys as above: {}.\n", roff(shared))) + text;
}

std::string example_text(const std::string& lines) {
    if (lines.empty()) {
        return {};
    }
    std::string text = ".PP\n.EX\n";
    for (const std::string_view line : split(lines, '\n')) {
        text += roff(line) + "\n";
    }
    return text + ".EE\n";
}

// One place of the language; the first declaration is what an object without the key "kind" is.
std::string section(std::string_view path, const std::vector<const Declaration*>& declarations,
                    std::span<const TextFile> examples) {
    std::set<std::string> described;
    std::string text = fmt::format(".SH {}\n", roff(heading(path)));
    for (const Declaration* declaration : declarations) {
        if (declaration != declarations.front()) {
            text += fmt::format(".SS kind = \"{}\"\n", declaration->selector);
        }
        text += std::string(roff(declaration->table->description)) + "\n";
        const bool usual = declaration == declarations.front();
        text += example_text(example_of(path, usual ? "" : declaration->selector, examples));
        text += keys_text(*declaration->table, described);
    }
    return text;
}

}  // namespace

std::string manual(Kinds kinds, std::span<const TextFile> examples) {
    std::map<std::string_view, std::vector<const Declaration*>> places;
    for (const Kind* kind : kinds) {
        for (const Declaration& declaration : declarations_of(*kind)) {
            if (declaration.table != nullptr) {
                places[declaration.path].push_back(&declaration);
            }
        }
    }
    std::string text(kIntroduction);
    for (const auto& [path, declarations] : places) {
        text += section(path, declarations, examples);
    }
    return text +
           ".SH TEMPLATES\n[template.NAME] takes every key of a partition; {name} and {index} stand for the "
           "name of the\n"
           "partition that extends it, and for its number.\n.SH SEE ALSO\n.BR partctl (8)\n";
}

}  // namespace partd::config
