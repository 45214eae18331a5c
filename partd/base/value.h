// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/source.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace partd {

class Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  // in the order of declaration; a key stands once

// A tree of plain values, as TOML and JSON have it, each with the place it was written at.
class Value {
public:
    Value();
    Value(const Value&);
    Value(Value&&) noexcept;
    Value& operator=(const Value&);
    Value& operator=(Value&&) noexcept;
    ~Value();
    template <class T>
        requires(!std::is_same_v<std::remove_cvref_t<T>, Value>)
    // NOLINTNEXTLINE(google-explicit-constructor): a plain value is one.
    Value(T&& value, Source at = {}) : source(std::move(at)), data_(convert(std::forward<T>(value))) {}

    template <class T>
    [[nodiscard]] const T* get_if() const {
        return std::get_if<T>(&data_);
    }
    template <class T>
    [[nodiscard]] T* get_if() {
        return std::get_if<T>(&data_);
    }
    [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
    // The member of that key; nullptr when there is none or this is not an object.
    [[nodiscard]] const Value* find(std::string_view key) const;
    Value* find(std::string_view key);
    // The member at a path of keys with dots between: "memory.swap.max".
    [[nodiscard]] const Value* find_path(std::string_view dotted) const;
    // Adds a member, or replaces the one there is; turns null into an object.
    Value& set(std::string_view key, Value value);
    Value& set_path(std::string_view dotted, Value value);
    // Appends to an array; turns null into one.
    void push(Value value);
    // "a string", "a table", … for messages.
    [[nodiscard]] std::string_view type_text() const;

    Source source;

private:
    using Data = std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object>;
    template <class T>
    static Data convert(T&& value);

    Data data_;
};

struct Member {
    std::string key;
    Source key_source;
    Value value;
};

// A Member holds a Value: what needs both whole comes behind them.
inline Value::Value() = default;
// Not the variant's own copy: g++ 12 jumps astray in one that memory does not suffice for.
inline Value::Value(const Value& other)
    : source(other.source), data_(std::visit([](const auto& plain) { return Data(plain); }, other.data_)) {}
inline Value::Value(Value&&) noexcept = default;
inline Value& Value::operator=(const Value& other) {
    return *this = Value(other);
}
inline Value& Value::operator=(Value&&) noexcept = default;
inline Value::~Value() = default;

template <class T>
Value::Data Value::convert(T&& value) {
    using Plain = std::remove_cvref_t<T>;
    if constexpr (std::is_same_v<Plain, bool> || std::is_same_v<Plain, double> ||
                  std::is_same_v<Plain, Array> || std::is_same_v<Plain, Object>) {
        return Data(std::forward<T>(value));
    } else if constexpr (std::is_integral_v<Plain>) {
        return Data(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_same_v<Plain, std::nullptr_t>) {
        return Data();
    } else {
        return Data(std::string(std::forward<T>(value)));
    }
}

// JSON text of the value (RFC 8259): one line, or indented by `indent` blanks.
std::string to_json(const Value& value, int indent = -1);
// The value of a JSON text; nullopt when it is none.
std::optional<Value> from_json(std::string_view text);

}  // namespace partd
