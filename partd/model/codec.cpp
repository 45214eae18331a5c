// SPDX-License-Identifier: Apache-2.0
#include "model/codec.h"

#include "base/names.h"
#include "base/text.h"
#include "model/field.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

std::optional<IfName> IfName::parse(std::string_view text) {
    return valid_if_name(text) ? std::optional(IfName(text.data(), text.size())) : std::nullopt;
}

std::optional<Name> Name::parse(std::string_view text) {
    return valid_name(text) ? std::optional(Name(text.data(), text.size())) : std::nullopt;
}

void report_unexpected(const Value& value, std::string_view expected, Diagnostics& problems) {
    const auto* text = value.get_if<std::string>();
    constexpr std::size_t kShown = 60;
    const std::string got = text != nullptr
                                ? fmt::format("\"{}\"", printable(std::string_view(*text).substr(0, kShown)))
                                : std::string(value.type_text());
    problems.error(value.source, fmt::format("expected {}, got {}", expected, got));
}

Value string_schema(std::string_view pattern, std::string_view expected) {
    Value schema;
    schema.set("type", "string");
    schema.set("pattern", pattern);
    schema.set("description", expected);
    return schema;
}

namespace {

Value type_schema(std::string_view type) {
    Value schema;
    schema.set("type", type);
    return schema;
}

template <class T>
bool read_plain(const Value& value, T& out, std::string_view expected, Diagnostics& problems) {
    const auto* plain = value.get_if<T>();
    if (plain == nullptr) {
        report_unexpected(value, expected, problems);
        return false;
    }
    out = *plain;
    return true;
}

}  // namespace

bool Codec<bool>::read(const Value& value, bool& out, Diagnostics& problems) {
    return read_plain(value, out, "true or false", problems);
}
std::string Codec<bool>::text(const bool& value) {
    return value ? "true" : "false";
}
Value Codec<bool>::json(const bool& value) {
    return value;
}
Value Codec<bool>::schema() {
    return type_schema("boolean");
}

bool Codec<std::int64_t>::read(const Value& value, std::int64_t& out, Diagnostics& problems) {
    return read_plain(value, out, "an integer", problems);
}
std::string Codec<std::int64_t>::text(const std::int64_t& value) {
    return std::to_string(value);
}
Value Codec<std::int64_t>::json(const std::int64_t& value) {
    return value;
}
Value Codec<std::int64_t>::schema() {
    return type_schema("integer");
}

bool Codec<std::string>::read(const Value& value, std::string& out, Diagnostics& problems) {
    return read_plain(value, out, "a string", problems);
}
std::string Codec<std::string>::text(const std::string& value) {
    return value;
}
Value Codec<std::string>::json(const std::string& value) {
    return value;
}
Value Codec<std::string>::schema() {
    return type_schema("string");
}

bool Codec<std::chrono::milliseconds>::read(const Value& value, std::chrono::milliseconds& out,
                                            Diagnostics& problems) {
    const auto* text = value.get_if<std::string>();
    const auto parsed = text != nullptr ? parse_duration(*text) : std::nullopt;
    if (!parsed) {
        report_unexpected(value, "a duration with its unit like \"10ms\", \"30s\" or \"5min\"", problems);
        return false;
    }
    out = *parsed;
    return true;
}
std::string Codec<std::chrono::milliseconds>::text(const std::chrono::milliseconds& value) {
    return duration_text(value);
}
Value Codec<std::chrono::milliseconds>::json(const std::chrono::milliseconds& value) {
    return text(value);
}
Value Codec<std::chrono::milliseconds>::schema() {
    return string_schema("^[0-9]+(\\.[0-9]{1,6})?(ms|s|min|h)$", "a duration with its unit");
}

std::optional<std::size_t> read_word(const Value& value, std::span<const std::string_view> words,
                                     Diagnostics& problems) {
    const auto* text = value.get_if<std::string>();
    const auto found = text != nullptr ? std::ranges::find(words, *text) : words.end();
    if (found == words.end()) {
        std::string known;
        for (const std::string_view word : words) {
            known += fmt::format("{}\"{}\"", known.empty() ? "" : " or ", word);
        }
        report_unexpected(value, known, problems);
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - words.begin());
}

bool read_tabled(const Table& table, const Value& value, void* out, Diagnostics& problems) {
    if (value.get_if<Object>() == nullptr) {
        std::string keys;
        for (const Field& field : table.fields) {
            keys += (keys.empty() ? "" : ", ") + std::string(field.name);
        }
        report_unexpected(value, fmt::format("a table with the keys {}", keys), problems);
        return false;
    }
    return read_object(table, value, out, {}, problems);
}

std::string tabled_text(const Table& table, const void* object) {
    std::string all;
    for (const Field& field : table.fields) {
        const std::string text = field.text == nullptr ? "" : field.text(object);
        if (!text.empty()) {
            all += fmt::format("{}{} {}", all.empty() ? "" : " ", field.name, text);
        }
    }
    return all;
}

Value tabled_json(const Table& table, const void* object) {
    Value all = Object();
    for (const Field& field : table.fields) {
        Value value = field.json == nullptr ? Value() : field.json(object);
        if (!value.is_null()) {
            all.set_path(field.name, std::move(value));
        }
    }
    return all;
}

Value tabled_schema(const Table& table) {
    return object_schema(table);
}

}  // namespace partd
