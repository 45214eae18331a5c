// SPDX-License-Identifier: Apache-2.0
#include "config/relations.h"

#include "base/names.h"
#include "config/document.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace partd::config {

namespace {

struct Owner {
    std::set<std::string> files = {};
    std::set<std::string> mentioned = {};  // other owners whose names occur in its values
    bool needs_all = false;
};
using Owners = std::map<std::string, Owner, std::less<>>;

bool is_wordy(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool is_edge(std::string_view text, std::size_t at) {
    return at == 0 || at == text.size() || !is_wordy(text[at - 1]) || !is_wordy(text[at]);
}

// Calls `each(value)` for the value and all below it; for keys too.
template <class Each>
void walk(const Value& value, const Each& each) {
    each(value.source, std::string_view());
    if (const auto* text = value.get_if<std::string>()) {
        each(value.source, std::string_view(*text));
    } else if (const auto* array = value.get_if<Array>()) {
        std::ranges::for_each(*array, [&](const Value& element) { walk(element, each); });
    } else if (const auto* object = value.get_if<Object>()) {
        for (const Member& member : *object) {
            each(member.key_source, std::string_view(member.key));
            walk(member.value, each);
        }
    }
}

// Notes the owners whose names occur in the text, also as a part of another one ("web" in "pv-web").
void note_mentioned(const Owners& owners, std::string_view text, std::set<std::string>& mentioned) {
    for (std::size_t begin = 0; begin < text.size(); ++begin) {
        if (!is_wordy(text[begin]) || !is_edge(text, begin)) {
            continue;
        }
        for (std::size_t end = begin + 1; end <= std::min(text.size(), begin + kMaxName); ++end) {
            const auto found =
                is_edge(text, end) ? owners.find(text.substr(begin, end - begin)) : owners.end();
            if (found != owners.end()) {
                mentioned.insert(found->first);
            }
        }
    }
}

const std::string* text_of(const Value* value) {
    return value == nullptr ? nullptr : value->get_if<std::string>();
}

std::span<const Member> members_of(const Value* object) {
    const auto* members = object == nullptr ? nullptr : object->get_if<Object>();
    return members == nullptr ? std::span<const Member>() : std::span<const Member>(*members);
}

// The values of each owner: those below a name of the language's, else of nobody.
std::multimap<std::string, const Value*> by_owner(const Value& document, const Grammar& grammar) {
    std::multimap<std::string, const Value*> all;
    for (const Member& member : *document.get_if<Object>()) {
        const Grammar* below = grammar.below(member.key);
        const auto* members = member.value.get_if<Object>();
        if (member.key == "template") {
            continue;  // what it says stands in those that extend it
        }
        if (below == nullptr || below->named == nullptr || members == nullptr) {
            all.emplace("", &member.value);
            continue;
        }
        for (const Member& each : *members) {
            all.emplace(below->children.contains(each.key) ? "" : each.key, &each.value);
        }
    }
    return all;
}

bool counts(const Value& body) {
    bool found = false;
    walk(body, [&](const Source&, std::string_view text) { found |= text.contains("{index}"); });
    return found;
}

// The templates that number those that extend them.
std::set<std::string> counting_templates(const Value& merged) {
    std::set<std::string> all;
    for (const Member& member : members_of(merged.find("template"))) {
        if (counts(member.value)) {
            all.insert(member.key);
        }
    }
    return all;
}

void note_values(const Value& value, const Owners& owners, Owner& owner) {
    const std::string* last = nullptr;
    walk(value, [&](const Source& source, std::string_view text) {
        if (source.file != nullptr && source.file.get() != last) {
            last = source.file.get();
            owner.files.insert(*last);
        }
        note_mentioned(owners, text, owner.mentioned);
    });
}

// True if a template counts it: before it is filled up from that, for a template may have the key, too.
bool is_counted(const Value& merged, const std::string& name, const std::set<std::string>& counting) {
    const Value* partitions = merged.find("partition");
    const Value* own = partitions == nullptr ? nullptr : partitions->find(name);
    const auto* extends = own == nullptr ? nullptr : text_of(own->find("extends"));
    return extends != nullptr && counting.contains(*extends) && own->find("index") == nullptr;
}

Owners relate(const Value& document, const Value& merged, const Grammar& grammar, const Ties& ties) {
    const auto values = by_owner(document, grammar);
    const auto counting = counting_templates(merged);
    Owners owners = {{"", {}}};
    for (const auto& [name, value] : values) {
        owners.try_emplace(name);
    }
    for (const auto& [name, value] : values) {
        Owner& owner = owners.find(name)->second;
        note_values(*value, owners, owner);
        owner.needs_all |= ties.all || is_counted(merged, name, counting);
    }
    for (const auto& [one, other] : ties.pairs) {
        owners[one].mentioned.insert(other);
    }
    for (auto& [name, owner] : owners) {
        owner.mentioned.erase(name);
    }
    return owners;
}

// Gathers those whom one owner leads to by who mentions whom, in either direction.
class Grouper {
public:
    explicit Grouper(const Owners& owners) : owners_(owners) {
        for (const auto& [name, owner] : owners) {
            for (const std::string& other : owner.mentioned) {
                neighbours_[name].push_back(other);
                neighbours_[other].push_back(name);
            }
        }
    }

    // Empty for one who is in a former group.
    Related from(const std::string& first) {
        Related group;
        std::vector<std::string_view> open = {first};
        while (!open.empty()) {
            const std::string_view name = open.back();
            open.pop_back();
            if (!seen_.insert(name).second) {
                continue;
            }
            const auto owner = owners_.find(name);
            group.owners.insert(owner->first);
            group.files.insert(owner->second.files.begin(), owner->second.files.end());
            group.needs_all |= owner->second.needs_all;
            const auto& next = neighbours_[name];
            open.insert(open.end(), next.begin(), next.end());
        }
        return group;
    }

private:
    const Owners& owners_;
    std::map<std::string_view, std::vector<std::string_view>> neighbours_;
    std::set<std::string_view> seen_;
};

}  // namespace

std::vector<Related> related_owners(std::span<const TextFile> files, Kinds kinds, const Ties& ties) {
    Diagnostics problems;
    const Grammar grammar = make_grammar(kinds);
    const Value merged = merge_files(parse_files(files, problems), grammar, problems);
    const Owners owners = relate(expand_templates(merged, problems), merged, grammar, ties);
    Grouper grouper(owners);
    std::vector<Related> all;
    for (const auto& [name, owner] : owners) {
        if (Related group = grouper.from(name); !group.owners.empty()) {
            all.push_back(std::move(group));
        }
    }
    return all;
}

}  // namespace partd::config
