// SPDX-License-Identifier: Apache-2.0
#include "config/describe/forms.h"

#include "base/text.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace partd::config {

namespace {

std::string text_of(const Value& schema, std::string_view key) {
    const Value* value = schema.find(key);
    const auto* text = value == nullptr ? nullptr : value->get_if<std::string>();
    return text == nullptr ? std::string() : *text;
}

const Array* list_of(const Value& schema, std::string_view key) {
    const Value* value = schema.find(key);
    return value == nullptr ? nullptr : value->get_if<Array>();
}

// "a, b or c"
std::string either(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
    }
    return text;
}

std::string any_text(const Array& schemas) {
    std::vector<std::string> forms;
    for (const Value& each : schemas) {
        if (std::string form = form_text(each); std::ranges::find(forms, form) == forms.end()) {
            forms.push_back(std::move(form));
        }
    }
    return either(forms);
}

std::string list_text(const Value& schema) {
    const Value* items = schema.find("items");
    const std::string item = items == nullptr ? std::string() : form_text(*items);
    return item == "a table" ? "a list of tables"
           : item.empty()    ? "a list"
                             : fmt::format("a list; each is {}", item);
}

std::string map_text(const Value& schema) {
    const Value* values = schema.find("additionalProperties");
    return values != nullptr && values->get_if<Object>() != nullptr
               ? fmt::format("a table; the value of each key is {}", form_text(*values))
               : "a table";
}

}  // namespace

std::string form_text(const Value& schema) {
    if (const Array* words = list_of(schema, "enum")) {
        std::vector<std::string> quoted;
        for (const Value& word : *words) {
            quoted.push_back(to_json(word));
        }
        return either(quoted);
    }
    for (const char* key : {"anyOf", "oneOf"}) {
        if (const Array* schemas = list_of(schema, key)) {
            return any_text(*schemas);
        }
    }
    const std::string type = text_of(schema, "type");
    const std::string described = text_of(schema, "description");
    return type == "array"     ? list_text(schema)
           : type == "object"  ? map_text(schema)
           : type == "boolean" ? "true or false"
           : type == "integer" ? "an integer"
           : described.empty() ? "a string"
                               : described;
}

const Object* keys_of(const Value& schema) {
    const Value* items = schema.find("items");
    const Value* properties = items != nullptr ? items->find("properties") : schema.find("properties");
    return properties == nullptr ? nullptr : properties->get_if<Object>();
}

}  // namespace partd::config
