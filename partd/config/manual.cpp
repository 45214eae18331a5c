#include "base/text.h"
#include "config/compile.h"

#include <algorithm>
#include <map>

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
later one; an empty file or a link to /dev/null masks it. Names of files carry no meaning, and an object is declared
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

std::string section(const Declaration& declaration) {
    std::string text =
        fmt::format(".SH {}\n{}\n", roff(heading(declaration.path)), roff(declaration.table->description));
    for (const Field& field : declaration.table->fields) {
        const bool known = field.options.role != Role::Later && !field.options.live;
        text += known ? key_text(field) : "";
    }
    return text;
}

}  // namespace

std::string manual(Kinds kinds) {
    std::map<std::string_view, std::string> sections;
    for (const Kind* kind : kinds) {
        for (const Declaration& declaration : kind->language) {
            if (declaration.table != nullptr) {
                sections[declaration.path] += section(declaration);
            }
        }
    }
    std::string text(kIntroduction);
    for (const auto& [path, part] : sections) {
        text += part;
    }
    return text +
           ".SH TEMPLATES\n[template.NAME] takes every key of a partition; {name} and {index} stand for the "
           "name of the\n"
           "partition that extends it, and for its number.\n.SH SEE ALSO\n.BR partctl (8)\n";
}

}  // namespace partd::config
