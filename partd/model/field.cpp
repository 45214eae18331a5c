// SPDX-License-Identifier: Apache-2.0
#include "model/field.h"

#include "base/hint.h"
#include "base/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

// Walks an object along the dotted names of its table.
class Reader {
public:
    Reader(const Table& table, void* out, std::span<const std::string_view> others, Diagnostics& problems,
           Places* places)
        : table_(table), out_(out), others_(others), problems_(problems), places_(places) {}

    bool read(const Value& value) {
        walk(value, "");
        if (value.get_if<Object>() == nullptr) {
            return false;
        }
        for (const Field& field : table_.fields) {
            if (field.options.required && value.find_path(field.name) == nullptr) {
                error(value.source, fmt::format("{} needs the key \"{}\"", table_.name, field.name));
            }
        }
        return good_;
    }

private:
    void walk(const Value& value, const std::string& path) {
        const auto* object = value.get_if<Object>();
        if (object == nullptr) {
            report_unexpected(value, path.empty() ? "a table" : fmt::format("a table for \"{}\"", path),
                              problems_);
            good_ = false;
            return;
        }
        for (const Member& member : *object) {
            take(member, path.empty() ? member.key : path + "." + member.key, path.empty());
        }
    }

    void take(const Member& member, const std::string& name, bool top) {
        const auto is_key = [&](const Field& f) { return f.name == name && !f.options.live; };
        const auto field = std::ranges::find_if(table_.fields, is_key);
        if (field != table_.fields.end()) {
            take_field(*field, member);
            return;
        }
        if (top && std::ranges::find(others_, name) != others_.end()) {
            return;
        }
        const auto inside = [&](const Field& f) { return f.name.starts_with(name + ".") && !f.options.live; };
        if (std::ranges::any_of(table_.fields, inside)) {
            walk(member.value, name);
            return;
        }
        report_unknown(member, name);
    }

    void take_field(const Field& field, const Member& member) {
        if (field.options.role == Role::Later) {
            error(member.key_source,
                  fmt::format("the key \"{}\" of {} is not supported yet", field.name, table_.name));
            return;
        }
        if (places_ != nullptr) {
            places_->set(static_cast<std::size_t>(&field - table_.fields.data()), member.value.source);
        }
        const auto* integer = member.value.get_if<std::int64_t>();
        if (integer != nullptr && (*integer < field.options.min || *integer > field.options.max)) {
            error(member.value.source,
                  fmt::format("{} is out of range for {}: {} to {}{}{}", *integer, field.name,
                              field.options.min, field.options.max, field.options.unit.empty() ? "" : " ",
                              field.options.unit));
            return;
        }
        good_ &= field.read(member.value, out_, problems_);
    }

    // [partition.a.b] is a table in partition "a".
    static std::string dotted_name(const Member& member, const std::string& name) {
        return member.value.get_if<Object>() == nullptr
                   ? ""
                   : fmt::format("; if it is the end of a name with a dot, quote the whole name: \"NAME.{}\"",
                                 printable(name));
    }

    void report_unknown(const Member& member, const std::string& name) {
        // A file with this many unknown keys was not mistyped: later ones get no suggestion.
        constexpr unsigned kMostHints = 50;
        if (++unknown_ > kMostHints) {
            error(member.key_source, fmt::format("unknown key \"{}\" in {}", printable(name), table_.name));
            return;
        }
        std::vector<std::string_view> known(others_.begin(), others_.end());
        for (const Field& field : table_.fields) {
            if (!field.options.live) {
                known.push_back(field.name);
            }
        }
        error(member.key_source, fmt::format("unknown key \"{}\" in {}{}", printable(name), table_.name,
                                             did_you_mean(name, known, dotted_name(member, name))));
    }

    void error(const Source& at, std::string message) {
        problems_.error(at, std::move(message));
        good_ = false;
    }

    const Table& table_;
    void* out_;
    std::span<const std::string_view> others_;
    Diagnostics& problems_;
    Places* places_;
    bool good_ = true;
    unsigned unknown_ = 0;
};

// Objects nested along a dotted name, each closed against other keys.
Value& nested_properties(Value& schema, std::string_view path) {
    const std::size_t dot = path.find('.');
    if (dot == std::string_view::npos) {
        return *schema.find("properties");
    }
    Value& properties = *schema.find("properties");
    const std::string_view key = path.substr(0, dot);
    Value* inner = properties.find(key);
    if (inner == nullptr) {
        Value empty;
        empty.set("type", "object");
        empty.set("additionalProperties", false);
        empty.set("properties", Object());
        inner = &properties.set(key, std::move(empty));
    }
    return nested_properties(*inner, path.substr(dot + 1));
}

Value field_schema(const Field& field) {
    constexpr FieldOptions kDefaults;
    Value schema = field.schema();
    schema.set("description", field.description);
    if (!field.options.fallback.empty()) {
        schema.set("x-default", field.options.fallback);
    }
    if (field.options.min != kDefaults.min) {
        schema.set("minimum", field.options.min);
    }
    if (field.options.max != kDefaults.max) {
        schema.set("maximum", field.options.max);
    }
    return schema;
}

}  // namespace

bool read_object(const Table& table, const Value& value, void* out, std::span<const std::string_view> others,
                 Diagnostics& problems, Places* places) {
    return Reader(table, out, others, problems, places).read(value);
}

Value object_schema(const Table& table) {
    Value schema;
    schema.set("type", "object");
    schema.set("description", table.description);
    schema.set("additionalProperties", false);
    schema.set("properties", Object());
    Value required = Array();
    for (const Field& field : table.fields) {
        if (field.options.role == Role::Later || field.options.live) {
            continue;
        }
        const std::string_view leaf = field.name.substr(field.name.rfind('.') + 1);
        nested_properties(schema, field.name).set(leaf, field_schema(field));
        if (field.options.required && leaf == field.name) {
            required.push(std::string(field.name));
        }
    }
    if (!required.get_if<Array>()->empty()) {
        schema.set("required", std::move(required));
    }
    return schema;
}

}  // namespace partd
