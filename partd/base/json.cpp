// SPDX-License-Identifier: Apache-2.0
#include "base/value.h"

#include <nlohmann/json.hpp>

namespace partd {

namespace {

using Json = nlohmann::ordered_json;

Json convert(const Value& value) {
    if (const auto* boolean = value.get_if<bool>()) {
        return *boolean;
    }
    if (const auto* integer = value.get_if<std::int64_t>()) {
        return *integer;
    }
    if (const auto* number = value.get_if<double>()) {
        return *number;
    }
    if (const auto* text = value.get_if<std::string>()) {
        return *text;
    }
    if (const auto* array = value.get_if<Array>()) {
        Json all = Json::array();
        for (const Value& element : *array) {
            all.push_back(convert(element));
        }
        return all;
    }
    if (const auto* object = value.get_if<Object>()) {
        Json all = Json::object();
        for (const Member& member : *object) {
            all[member.key] = convert(member.value);
        }
        return all;
    }
    return nullptr;
}

Value convert(const Json& json) {
    if (json.is_boolean()) {
        return json.get<bool>();
    }
    if (json.is_number_integer()) {
        return json.get<std::int64_t>();
    }
    if (json.is_number()) {
        return json.get<double>();
    }
    if (json.is_string()) {
        return json.get<std::string>();
    }
    if (json.is_array()) {
        Value all = Array();
        for (const Json& element : json) {
            all.push(convert(element));
        }
        return all;
    }
    Value all;
    if (json.is_object()) {
        all = Object();
        for (const auto& [key, member] : json.items()) {
            all.set(key, convert(member));
        }
    }
    return all;
}

}  // namespace

std::string to_json(const Value& value, int indent) {
    // Names and messages may hold bytes of a foreign program: replace what is not UTF-8 instead of throwing.
    return convert(value).dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::optional<Value> from_json(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    return json.is_discarded() ? std::nullopt : std::optional(convert(json));
}

}  // namespace partd
