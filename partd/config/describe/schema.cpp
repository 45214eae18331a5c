// SPDX-License-Identifier: Apache-2.0
#include "config/compile.h"
#include "config/grammar.h"

namespace partd::config {

namespace {

Value place_schema(const Grammar& grammar);

Value declaration_schema(const Declaration& declaration, const Grammar& grammar) {
    Value schema = declaration.schema != nullptr ? declaration.schema() : object_schema(*declaration.table);
    for (const auto& [name, child] : grammar.children) {
        if (!child.later) {
            schema.find("properties")->set(name, place_schema(child));
        }
    }
    return schema;
}

// A table of names: "partition", "link".
Value names_schema(const Grammar& grammar) {
    Value schema;
    schema.set("type", "object");
    schema.set("additionalProperties", false);
    schema.set("properties", Object());
    for (const auto& [name, child] : grammar.children) {
        if (!child.later) {
            schema.find("properties")->set(name, place_schema(child));
        }
    }
    if (grammar.named && !grammar.named->later) {
        const bool interface = grammar.named->declarations.front()->interface_name;
        std::string pattern(interface ? TextFormat<IfName>::kPattern : TextFormat<Name>::kPattern);
        for (const auto& [name, child] : grammar.children) {
            pattern.insert(1, "(?!" + name + "$)");
        }
        schema.set("patternProperties", Object()).set(pattern, place_schema(*grammar.named));
    }
    return schema;
}

// A template may give the key "kind" and those that a type needs: of several types each takes what has no key
// of another one.
Value without_required(Value schema) {
    std::erase_if(*schema.get_if<Object>(), [](const Member& member) { return member.key == "required"; });
    return schema;
}

Value place_schema(const Grammar& grammar) {
    if (grammar.declarations.empty()) {
        return names_schema(grammar);
    }
    Value schema;
    if (grammar.declarations.size() == 1) {
        schema = declaration_schema(*grammar.declarations.front(), grammar);
    } else {
        Value& any = schema.set("anyOf", Array());
        for (const Declaration* declaration : grammar.declarations) {
            any.push(without_required(declaration_schema(*declaration, grammar)));
        }
    }
    if (!grammar.list) {
        return schema;
    }
    Value list;
    list.set("type", "array");
    list.set("items", std::move(schema));
    return list;
}

// In a template every string may hold a placeholder.
void allow_placeholders(Value& schema) {
    if (auto* object = schema.get_if<Object>()) {
        for (Member& member : *object) {
            auto* text = member.value.get_if<std::string>();
            if (member.key == "pattern" && text != nullptr) {
                *text += "|\\{(name|index)\\}";
            } else {
                allow_placeholders(member.value);
            }
        }
    } else if (auto* array = schema.get_if<Array>()) {
        for (Value& element : *array) {
            allow_placeholders(element);
        }
    }
}

}  // namespace

Value schema(Kinds kinds) {
    const Grammar grammar = make_grammar(kinds);
    Value schema;
    schema.set("$schema", "https://json-schema.org/draft/2020-12/schema");
    schema.set("title", "partd configuration");
    const Value body = names_schema(grammar);
    for (const Member& member : *body.get_if<Object>()) {
        schema.set(member.key, member.value);
    }
    allow_placeholders(*schema.find("properties")->find("template"));
    return schema;
}

}  // namespace partd::config
