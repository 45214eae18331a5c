// SPDX-License-Identifier: Apache-2.0
#include "config/objects.h"

#include "base/hint.h"
#include "base/names.h"
#include "base/text.h"
#include "config/document.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::config {

namespace {

class ObjectReader {
public:
    ObjectReader(Declared& declared, Diagnostics& problems) : declared_(declared), problems_(problems) {}

    // Reads what stands at one place of the grammar and below. `path` is for messages; owner is the first
    // name met on the way.
    void read(const Value& value, const Grammar& grammar, const std::string& path, const std::string& owner,
              const std::string& name) {
        if (grammar.later) {
            problems_.error(value.source, fmt::format("\"{}\" is not supported yet", path));
        } else if (grammar.list) {
            read_list(value, grammar, path, owner);
        } else if (value.get_if<Object>() == nullptr) {
            report_unexpected(value, fmt::format("a table for \"{}\"", path), problems_);
        } else {
            read_object_at(value, grammar, owner, name);
            read_below(value, grammar, path, owner);
        }
    }

private:
    void read_list(const Value& value, const Grammar& grammar, const std::string& path,
                   const std::string& owner) {
        const auto* elements = value.get_if<Array>();
        if (elements == nullptr) {
            report_unexpected(value, fmt::format("a list of tables [[{}]]", path), problems_);
            return;
        }
        for (const Value& element : *elements) {
            read_object_at(element, grammar, owner, "");
        }
    }

    void read_object_at(const Value& value, const Grammar& grammar, const std::string& owner,
                        const std::string& name) {
        const Declaration* declaration = grammar.select(value, problems_);
        if (declaration == nullptr) {
            return;
        }
        DeclaredObject object{
            .declaration = declaration, .owner = owner, .name = name, .source = value.source};
        const auto not_its_own = keys_of_others(value, grammar, *declaration);
        object.spec = declaration->read(*declaration->table, value, not_its_own, problems_, &object.places);
        if (object.spec) {
            declared_.add(std::move(object));
        }
    }

    // The keys here that the declaration does not read: those of objects below, and those of other kinds,
    // which are told.
    std::vector<std::string_view> keys_of_others(const Value& value, const Grammar& grammar,
                                                 const Declaration& chosen) {
        auto keys = grammar.child_names();
        const auto* members = value.get_if<Object>();
        if (members == nullptr || grammar.declarations.size() < 2) {
            return keys;
        }
        for (const Member& member : *members) {
            if (belongs_to_another(member, grammar, chosen)) {
                keys.push_back(member.key);
            }
        }
        return keys;
    }

    static bool has_key(const Declaration& declaration, std::string_view key) {
        return std::ranges::any_of(declaration.table->fields, [&](const Field& field) {
            const bool below = field.name.size() > key.size() && field.name[key.size()] == '.';
            return !field.options.live && field.name.starts_with(key) &&
                   (field.name.size() == key.size() || below);
        });
    }

    // True, and told, for a key that objects of another kind at this place have.
    bool belongs_to_another(const Member& member, const Grammar& grammar, const Declaration& chosen) {
        if (has_key(chosen, member.key) || grammar.children.contains(member.key)) {
            return false;
        }
        const auto other = std::ranges::find_if(
            grammar.declarations, [&](const Declaration* each) { return has_key(*each, member.key); });
        if (other == grammar.declarations.end()) {
            return false;
        }
        problems_.error(member.key_source,
                        fmt::format("\"{}\" is a key of kind = \"{}\", and this is {}", printable(member.key),
                                    (*other)->selector, with_article(chosen.selector)));
        return true;
    }

    void read_below(const Value& value, const Grammar& grammar, const std::string& path,
                    const std::string& owner) {
        for (const Member& member : *value.get_if<Object>()) {
            const Grammar* below = grammar.below(member.key);
            const std::string inner =
                path.empty() ? printable(member.key) : path + "." + printable(member.key);
            if (below == nullptr) {
                report_unknown(member, grammar, path);
            } else if (grammar.children.contains(member.key)) {
                read(member.value, *below, inner, owner, member.key);
            } else if (check_name(member, *below)) {
                read(member.value, *below, inner, owner.empty() ? member.key : owner, member.key);
            }
        }
    }

    // The keys of an object's own are its table's to judge.
    void report_unknown(const Member& member, const Grammar& grammar, const std::string& path) {
        if (!grammar.declarations.empty()) {
            return;
        }
        const auto known = grammar.child_names();
        problems_.error(member.key_source,
                        fmt::format("unknown key \"{}\"{}{}", printable(member.key),
                                    path.empty() ? "" : " in " + path, did_you_mean(member.key, known)));
    }

    bool check_name(const Member& member, const Grammar& grammar) {
        const bool interface = !grammar.declarations.empty() && grammar.declarations.front()->interface_name;
        if (grammar.later || (interface ? valid_if_name(member.key) : valid_name(member.key))) {
            return true;
        }
        problems_.error(member.key_source,
                        fmt::format("\"{}\" is not a valid name: expected {}",
                                    printable(std::string_view(member.key).substr(0, 80)),
                                    interface ? TextFormat<IfName>::kExpected : TextFormat<Name>::kExpected));
        return false;
    }

    Declared& declared_;
    Diagnostics& problems_;
};

}  // namespace

Declared read_objects(const Value& document, const Grammar& grammar, Diagnostics& problems) {
    Declared declared;
    Declared samples;
    for (const Member& member : *document.get_if<Object>()) {
        Value root;
        root.set(member.key, member.key == "template" ? unused_templates(document) : member.value);
        root.get_if<Object>()->back().key_source = member.key_source;
        if (member.key == "template") {
            ObjectReader(samples, problems).read(sample_of_template(root), grammar, "", "", "");
        } else {
            ObjectReader(declared, problems).read(root, grammar, "", "", "");
        }
    }
    return declared;
}

}  // namespace partd::config
