// SPDX-License-Identifier: Apache-2.0
#include "config/cut.h"

#include "base/value.h"
#include "config/toml.h"

#include <algorithm>
#include <map>

namespace partd::config {

namespace {

constexpr char kEnd = '\n';  // of a name in a path

bool is_table(const Value& value) {
    const auto* array = value.get_if<Array>();
    return value.get_if<Object>() != nullptr ||
           (array != nullptr && !array->empty() && array->front().get_if<Object>() != nullptr);
}

// Where in a file its tables are.
struct Layout {
    std::set<std::string> tables = {};                     // with keys of their own, or with a header
    std::map<std::uint32_t, std::string> beginnings = {};  // the line from which on it is that table's
    std::map<std::string, std::uint32_t> headers =
        {};  // where a table begins, be it with one that stands in it

    void note(const Source& at, const std::string& path) {
        if (at.line > 0) {
            beginnings[at.line] = path;
        }
    }

    void walk(const Value& value, const std::string& path) {
        if (const auto* array = value.get_if<Array>()) {
            std::ranges::for_each(*array, [&](const Value& element) { walk(element, path); });
            return;
        }
        const auto* object = value.get_if<Object>();
        if (object == nullptr) {
            return;
        }
        note(value.source, path);
        headers.emplace(path, value.source.line);
        const bool own = std::ranges::any_of(*object, [](const Member& m) { return !is_table(m.value); });
        if (own || object->empty()) {
            tables.insert(path);
        }
        for (const Member& member : *object) {
            if (is_table(member.value)) {
                walk(member.value, path + member.key + kEnd);
            } else {
                note(member.key_source, path);
            }
        }
    }
};

std::optional<Layout> layout_of(const TextFile& file) {
    Diagnostics problems;
    const auto parsed = parse_toml(file, problems);
    if (!parsed) {
        return std::nullopt;
    }
    Layout layout;
    layout.walk(*parsed, "");
    for (const auto& [path, line] : layout.headers) {
        const auto begun = layout.beginnings.find(line);
        if (!path.empty() && begun != layout.beginnings.end() && begun->second == path) {
            layout.tables.insert(path);
        }
    }
    return layout;
}

bool covers(const std::set<std::string>& tables, const std::string& path) {
    constexpr int kNamesOfAnObject = 3;
    int names = 0;
    for (std::size_t end = path.find(kEnd); end != std::string::npos; end = path.find(kEnd, end + 1)) {
        ++names;
        const bool whole = end + 1 == path.size();
        if ((whole || names >= kNamesOfAnObject) && tables.contains(path.substr(0, end + 1))) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::set<std::string> tables_in(const TextFile& file) {
    auto layout = layout_of(file);
    return layout ? std::move(layout->tables) : std::set<std::string>();
}

std::optional<TextFile> without_tables(const TextFile& file, const std::set<std::string>& tables) {
    const auto layout = layout_of(file);
    if (!layout) {
        return std::nullopt;
    }
    std::set<std::string> left = layout->tables;
    std::erase_if(left, [&](const std::string& path) { return covers(tables, path); });
    if (left == layout->tables) {
        return file;
    }
    TextFile rest{file.path, ""};
    bool kept = true;
    std::uint32_t line = 1;
    for (std::size_t at = 0; at < file.text.size(); ++line) {
        const std::size_t end = std::min(file.text.find('\n', at), file.text.size() - 1) + 1;
        if (const auto begun = layout->beginnings.find(line); begun != layout->beginnings.end()) {
            kept = !covers(tables, begun->second);
        }
        rest.text += kept ? file.text.substr(at, end - at) : "\n";
        at = end;
    }
    const bool told_apart = !left.empty() && tables_in(rest) == left;
    return told_apart ? std::optional(std::move(rest)) : std::nullopt;
}

}  // namespace partd::config
