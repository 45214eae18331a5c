// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/codec.h"

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace partd {

// The part that a field has in the diff.
enum class Role : std::uint8_t {
    Managed,   // compared with the live host; a difference is fixed in place
    Replace,   // compared; a difference needs a new object
    Identity,  // a part of the object's name: never differs
    Declared,  // of the language only: it becomes other resources, or an intention
    Later,     // of the language, but not built yet: refused by name
};

// Both sides of a difference, in words.
using Sides = std::pair<std::string, std::string>;

struct FieldOptions {
    Role role = Role::Managed;
    bool required = false;
    bool live = false;  // only resources have it: no key of the language
    std::int64_t min = std::numeric_limits<std::int64_t>::min();  // of integers
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::string_view unit = {};      // of integers: "bytes", …
    std::string_view fallback = {};  // the value if the key is absent, for the manual
    // Of a field with secrets in it: what a difference is told as, made of its two texts.
    Sides (*told)(const std::string& from, const std::string& to) = nullptr;
};

// One key of the language and attribute of a resource: everything that reads, checks, compares, prints or
// describes it goes through here. A name with dots is a path of nested keys: "peer.name", "memory.max".
struct Field {
    std::string_view name;
    std::string_view description;
    FieldOptions options;

    bool (*read)(const Value& value, void* object, Diagnostics& problems) = nullptr;
    std::string (*text)(const void* object) = nullptr;              // "" when it is not set
    Value (*json)(const void* object) = nullptr;                    // null when it is not set
    bool (*same)(const void* wanted, const void* found) = nullptr;  // true also when wanted leaves it open
    Value (*schema)() = nullptr;
};

struct Table {
    std::string_view name;          // "link"
    std::string_view description;   // one sentence for the manual and the schema
    std::span<const Field> fields;  // of types that one kind has, the first says which it is
};

namespace detail {

template <class Class, class Member>
Class class_of(Member Class::*);

template <auto First, auto... Rest>
auto& follow(auto& object) {
    if constexpr (sizeof...(Rest) == 0) {
        return object.*First;
    } else {
        return follow<Rest...>(object.*First);
    }
}

template <auto First, auto... Rest>
struct Access {
    using Class = decltype(class_of(First));
    static const auto& get(const void* object) {
        return follow<First, Rest...>(*static_cast<const Class*>(object));
    }
    static auto& get(void* object) { return follow<First, Rest...>(*static_cast<Class*>(object)); }
    using Type = std::remove_cvref_t<decltype(get(static_cast<const void*>(nullptr)))>;
};

// True if a member leaves its attribute open: an optional without a value, an empty list.
template <class T>
bool is_open(const T& value) {
    if constexpr (requires { value.has_value(); }) {
        return !value.has_value();
    } else if constexpr (requires(T& list) { list.push_back(list.front()); } &&
                         !std::is_base_of_v<std::string, T>) {
        return value.empty();
    } else {
        return false;
    }
}

}  // namespace detail

// The field of that name kept in the member that Path (pointers to members, outermost first) leads to.
template <auto... Path>
constexpr Field field(std::string_view name, std::string_view description, FieldOptions options = {}) {
    using At = detail::Access<Path...>;
    using Type = typename At::Type;
    return {
        .name = name,
        .description = description,
        .options = options,
        .read = [](const Value& value, void* object,
                   Diagnostics& problems) { return Codec<Type>::read(value, At::get(object), problems); },
        .text =
            [](const void* object) {
                const Type& value = At::get(object);
                return detail::is_open(value) ? std::string() : Codec<Type>::text(value);
            },
        .json =
            [](const void* object) {
                const Type& value = At::get(object);
                return detail::is_open(value) ? Value() : Codec<Type>::json(value);
            },
        .same =
            [](const void* wanted, const void* found) {
                const Type& value = At::get(wanted);
                return detail::is_open(value) || value == At::get(found);
            },
        .schema = [] { return Codec<Type>::schema(); },
    };
}

// A key of the language that is not built yet.
constexpr Field reserved(std::string_view name) {
    return {.name = name, .description = "not supported yet", .options = {.role = Role::Later}};
}

// Reads one object by its table. Reports unknown, missing, wrong and not yet supported keys. `others` are
// keys of the same table that somebody else reads. `places` learns where each was written.
bool read_object(const Table& table, const Value& value, void* out, std::span<const std::string_view> others,
                 Diagnostics& problems, Places* places = nullptr);

// The JSON Schema of an object (draft 2020-12): its fields, nested by their dots, and nothing else.
Value object_schema(const Table& table);

}  // namespace partd
