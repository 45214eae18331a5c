// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"

#include "base/hint.h"
#include "base/names.h"
#include "base/text.h"
#include "config/toml.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>

namespace partd::config {

namespace {

class Merger {
public:
    explicit Merger(Diagnostics& problems) : problems_(problems) {}

    void merge(Value& into, const Value& from, const Grammar* grammar, const std::string& path) {
        auto* array = into.get_if<Array>();
        const auto* more = from.get_if<Array>();
        if (grammar != nullptr && grammar->list && array != nullptr && more != nullptr) {
            array->insert(array->end(), more->begin(), more->end());
            return;
        }
        const auto* object = from.get_if<Object>();
        if (grammar == nullptr || into.get_if<Object>() == nullptr || object == nullptr ||
            (declares(into, *grammar) && declares(from, *grammar))) {
            problems_.error(from.source, fmt::format("{} is declared twice", path), into.source,
                            "the other declaration");
            return;
        }
        if (declares(from, *grammar)) {
            into.source = from.source;
        }
        for (const Member& member : *object) {
            const std::string name = path.empty() ? member.key : path + "." + printable(member.key);
            if (Value* existing = into.find(member.key)) {
                merge(*existing, member.value, grammar->below(member.key), name);
            } else {
                into.get_if<Object>()->push_back(member);
            }
        }
    }

private:
    // True if this object itself is declared here, not only an object below it.
    static bool declares(const Value& value, const Grammar& grammar) {
        if (grammar.declarations.empty()) {
            return false;
        }
        const Object& object = *value.get_if<Object>();
        const auto own = [&](const Member& member) { return !grammar.children.contains(member.key); };
        // A header of its own stands before those of the objects below it.
        const auto below_header = [&](const Member& member) {
            return member.key_source.line > value.source.line;
        };
        return object.empty() || std::ranges::any_of(object, own) ||
               std::ranges::all_of(object, below_header);
    }

    Diagnostics& problems_;
};

}  // namespace

std::vector<Value> parse_files(std::span<const TextFile> files, Diagnostics& problems) {
    std::vector<Value> parsed;
    for (const TextFile& file : files) {
        if (auto value = parse_toml(file, problems)) {
            parsed.push_back(std::move(*value));
        }
    }
    return parsed;
}

Value merge_files(std::span<const Value> files, const Grammar& grammar, Diagnostics& problems) {
    Value document = Object();
    for (const Value& file : files) {
        Merger(problems).merge(document, file, &grammar, "");
    }
    return document;
}

namespace {

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
    return text;
}

// Reports placeholders that mean nothing.
void check_placeholders(const Value& value, Diagnostics& problems) {
    if (const auto* text = value.get_if<std::string>()) {
        for (std::size_t open = text->find('{'); open != std::string::npos;
             open = text->find('{', open + 1)) {
            const std::string word = text->substr(open, text->find('}', open) - open + 1);
            if (word != "{name}" && word != "{index}") {
                problems.error(value.source,
                               fmt::format("{} is not a placeholder: there are {{name}} and {{index}}",
                                           printable(word)));
            }
        }
    } else if (const auto* array = value.get_if<Array>()) {
        std::ranges::for_each(*array, [&](const Value& element) { check_placeholders(element, problems); });
    } else if (const auto* object = value.get_if<Object>()) {
        std::ranges::for_each(*object, [&](const Member& m) { check_placeholders(m.value, problems); });
    }
}

void check_templates(const Value* templates, Diagnostics& problems) {
    const auto* bodies = templates == nullptr ? nullptr : templates->get_if<Object>();
    for (const Member& member : bodies == nullptr ? Object() : *bodies) {
        check_placeholders(member.value, problems);
        if (const Value* extends = member.value.find("extends")) {
            problems.error(extends->source,
                           fmt::format("template {} extends another: only a partition extends a template",
                                       printable(member.key)));
        }
    }
}

std::string substituted(const std::string& text, std::string_view name, std::string_view index) {
    return replace_all(replace_all(text, "{name}", name), "{index}", index);
}

Value substituted(const Value& value, std::string_view name, std::string_view index) {
    if (const auto* text = value.get_if<std::string>()) {
        return {substituted(*text, name, index), value.source};
    }
    if (const auto* array = value.get_if<Array>()) {
        Array all;
        for (const Value& element : *array) {
            all.push_back(substituted(element, name, index));
        }
        return {std::move(all), value.source};
    }
    if (const auto* object = value.get_if<Object>()) {
        Object all;
        for (const Member& member : *object) {
            all.push_back({substituted(member.key, name, index), member.key_source,
                           substituted(member.value, name, index)});
        }
        return {std::move(all), value.source};
    }
    return value;
}

void fill_up(Value& own, const Value& inherited) {
    const auto* object = inherited.get_if<Object>();
    if (object == nullptr || own.get_if<Object>() == nullptr) {
        return;
    }
    for (const Member& member : *object) {
        if (Value* existing = own.find(member.key)) {
            fill_up(*existing, member.value);
        } else {
            own.get_if<Object>()->push_back(member);
        }
    }
}

// A few lines of a template can make very much. A value counts once, and once more for each 64 bytes of text,
// with names as long as they may be.
constexpr std::uint64_t kMostWeight = std::uint64_t{1} << 20;
constexpr std::size_t kWeightedBytes = 64;

std::uint64_t weight_of(std::string_view text) {
    constexpr std::string_view kName = "{name}";
    std::size_t size = text.size();
    for (auto at = text.find(kName); at != std::string::npos; at = text.find(kName, at + kName.size())) {
        size += kMaxName;
    }
    return 1 + size / kWeightedBytes;
}

std::uint64_t weight_of(const Value& value) {
    std::uint64_t weight = 1;
    if (const auto* text = value.get_if<std::string>()) {
        weight = weight_of(std::string_view(*text));
    } else if (const auto* array = value.get_if<Array>()) {
        std::ranges::for_each(*array, [&](const Value& element) { weight += weight_of(element); });
    } else if (const auto* object = value.get_if<Object>()) {
        for (const Member& member : *object) {
            weight += weight_of(std::string_view(member.key)) + weight_of(member.value);
        }
    }
    return weight;
}

// Its own key `index`, else the next number.
std::string index_of(const Value& partition, std::int64_t& next) {
    const Value* own = partition.find("index");
    const auto* number = own == nullptr ? nullptr : own->get_if<std::int64_t>();
    return std::to_string(number != nullptr ? *number : next++);
}

std::string near_template(const Value* templates, std::string_view name) {
    std::vector<std::string_view> names;
    if (const auto* members = templates == nullptr ? nullptr : templates->get_if<Object>()) {
        std::ranges::transform(*members, std::back_inserter(names), &Member::key);
    }
    return did_you_mean(name, names);
}

}  // namespace

Value expand_templates(const Value& document, Diagnostics& problems) {
    Value result = document;
    Value* partitions = result.find("partition");
    auto* members = partitions == nullptr ? nullptr : partitions->get_if<Object>();
    const Value* templates = document.find("template");
    std::map<std::string, std::int64_t> next_index;
    std::map<std::string, std::uint64_t> weights;
    std::uint64_t weight = 0;
    check_templates(templates, problems);
    if (members == nullptr) {
        return result;
    }
    for (Member& member : *members) {
        const Value* extends = member.value.find("extends");
        const auto* name = extends == nullptr ? nullptr : extends->get_if<std::string>();
        if (name == nullptr || !valid_name(member.key)) {
            continue;
        }
        const Value* body = templates == nullptr ? nullptr : templates->find(*name);
        if (body == nullptr) {
            problems.error(extends->source,
                           fmt::format("partition {} extends \"{}\", but there is no [template.{}]{}",
                                       printable(member.key), printable(*name), printable(*name),
                                       near_template(templates, *name)));
            continue;
        }
        const auto [entry, first] = weights.try_emplace(*name, 0);
        entry->second = first ? weight_of(*body) : entry->second;
        weight += entry->second;
        if (weight > kMostWeight) {
            problems.error(extends->source,
                           fmt::format("with partition {} the templates would make more than {} values: make "
                                       "them smaller, or extend them less often",
                                       member.key, kMostWeight));
            return document;
        }
        const std::string index = index_of(member.value, next_index.try_emplace(*name, 1).first->second);
        fill_up(member.value, substituted(*body, member.key, index));
    }
    return result;
}

Value unused_templates(const Value& document) {
    const Value* templates = document.find("template");
    const auto* bodies = templates == nullptr ? nullptr : templates->get_if<Object>();
    if (bodies == nullptr) {
        return templates == nullptr ? Value(Object()) : *templates;
    }
    std::set<std::string> used;
    const Value* partitions = document.find("partition");
    const auto* members = partitions == nullptr ? nullptr : partitions->get_if<Object>();
    for (const Member& member : members == nullptr ? Object() : *members) {
        const Value* extends = member.value.find("extends");
        const auto* name = extends == nullptr ? nullptr : extends->get_if<std::string>();
        used.insert(name == nullptr ? "" : *name);
    }
    Object unused;
    std::ranges::copy_if(*bodies, std::back_inserter(unused),
                         [&](const Member& member) { return !used.contains(member.key); });
    return {std::move(unused), templates->source};
}

Value sample_of_template(const Value& body) {
    return substituted(body, "name", "1");
}

}  // namespace partd::config
