// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "config/compile.h"

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

std::string key_text(const Field& field) {
    const FieldOptions& options = field.options;
    std::string text = fmt::format(".TP\n.B {}\n{}", roff(field.name), roff(field.description));
    if (options.required) {
        text += "; required";
    }
    constexpr FieldOptions kOpen;
    if (options.min != kOpen.min && options.max != kOpen.max) {
        text += roff(fmt::format("; {} to {}", options.min, options.max)) + (options.unit.empty() ? "" : " ");
        text += options.unit;
    }
    return text + (options.fallback.empty() ? "" : fmt::format(". Default: {}", roff(options.fallback))) +
           ".\n";
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

// One place of the language; the first declaration is what an object without the key "kind" is.
std::string section(std::string_view path, const std::vector<const Declaration*>& declarations) {
    std::set<std::string> described;
    std::string text = fmt::format(".SH {}\n", roff(heading(path)));
    for (const Declaration* declaration : declarations) {
        if (declaration != declarations.front()) {
            text += fmt::format(".SS kind = \"{}\"\n", declaration->selector);
        }
        text += std::string(roff(declaration->table->description)) + "\n";
        text += keys_text(*declaration->table, described);
    }
    return text;
}

}  // namespace

std::string manual(Kinds kinds) {
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
        text += section(path, declarations);
    }
    return text +
           ".SH TEMPLATES\n[template.NAME] takes every key of a partition; {name} and {index} stand for the "
           "name of the\n"
           "partition that extends it, and for its number.\n.SH SEE ALSO\n.BR partctl (8)\n";
}

}  // namespace partd::config
