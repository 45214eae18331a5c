// SPDX-License-Identifier: Apache-2.0
#include "base/value.h"

#include <algorithm>

namespace partd {

const Value* Value::find(std::string_view key) const {
    const auto* object = get_if<Object>();
    if (object == nullptr) {
        return nullptr;
    }
    const auto member = std::ranges::find(*object, key, &Member::key);
    return member == object->end() ? nullptr : &member->value;
}

Value* Value::find(std::string_view key) {
    return const_cast<Value*>(std::as_const(*this).find(key));
}

const Value* Value::find_path(std::string_view dotted) const {
    const std::size_t dot = dotted.find('.');
    const Value* member = find(dotted.substr(0, dot));
    return member == nullptr || dot == std::string_view::npos ? member
                                                              : member->find_path(dotted.substr(dot + 1));
}

Value& Value::set(std::string_view key, Value value) {
    if (is_null()) {
        data_ = Object();
    }
    if (Value* existing = find(key)) {
        return *existing = std::move(value);
    }
    Object& object = std::get<Object>(data_);
    object.push_back({.key = std::string(key), .key_source = value.source, .value = std::move(value)});
    return object.back().value;
}

Value& Value::set_path(std::string_view dotted, Value value) {
    const std::size_t dot = dotted.find('.');
    if (dot == std::string_view::npos) {
        return set(dotted, std::move(value));
    }
    const std::string_view key = dotted.substr(0, dot);
    Value* member = find(key);
    return (member != nullptr ? *member : set(key, Object()))
        .set_path(dotted.substr(dot + 1), std::move(value));
}

void Value::push(Value value) {
    if (is_null()) {
        data_ = Array();
    }
    std::get<Array>(data_).push_back(std::move(value));
}

std::string_view Value::type_text() const {
    static constexpr std::string_view kNames[] = {"nothing",  "a boolean", "an integer", "a number",
                                                  "a string", "an array",  "a table"};
    return kNames[data_.index()];
}

}  // namespace partd
