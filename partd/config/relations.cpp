// SPDX-License-Identifier: Apache-2.0
#include "config/relations.h"

#include "config/document.h"
#include "config/toml.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace partd::config {

namespace {

constexpr std::string_view kOnHost = "host:";  // and the name of an interface

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

// Notes the owners whose names occur in the text, also as a part of another one ("web" in "pv-web"); true if
// there are any.
bool note_mentioned(const Owners& owners, std::string_view text, std::set<std::string>& mentioned) {
    constexpr std::size_t kLongest = 64;
    bool any = false;
    for (std::size_t begin = 0; begin < text.size(); ++begin) {
        if (!is_wordy(text[begin]) || !is_edge(text, begin)) {
            continue;
        }
        for (std::size_t end = begin + 1; end <= std::min(text.size(), begin + kLongest); ++end) {
            const auto found =
                is_edge(text, end) ? owners.find(text.substr(begin, end - begin)) : owners.end();
            if (found != owners.end()) {
                mentioned.insert(found->first);
                any = true;
            }
        }
    }
    return any;
}

using HostNames = std::map<std::string, std::string, std::less<>>;  // of interfaces: whose they are

void note_host_names(const std::string& owner, const Value& value, HostNames& names) {
    const Value* links = value.find("link");
    const auto* members = links == nullptr ? nullptr : links->get_if<Object>();
    for (const Member& link : members == nullptr ? Object() : *members) {
        const Value* name = link.value.find_path("peer.name");
        if (const auto* text = name == nullptr ? nullptr : name->get_if<std::string>()) {
            names.emplace(*text, owner);
        }
    }
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
    const Value* templates = merged.find("template");
    const auto* bodies = templates == nullptr ? nullptr : templates->get_if<Object>();
    for (const Member& member : bodies == nullptr ? Object() : *bodies) {
        if (counts(member.value)) {
            all.insert(member.key);
        }
    }
    return all;
}

// Notes the owner of an interface of the host by the name that a file gives it. One of partd's own names has
// its owner's name in it (`told`) where that is short enough.
void note_interface(std::string_view name, bool told, const HostNames& host_names, Owner& owner) {
    if (const auto end = host_names.find(name); end != host_names.end()) {
        owner.mentioned.insert(end->second);
    } else {
        owner.needs_all |= name.starts_with("pv-") && !told;
    }
}

void note_values(const Value& value, const Owners& owners, const HostNames& host_names, Owner& owner) {
    const std::string* last = nullptr;
    walk(value, [&](const Source& source, std::string_view text) {
        if (source.file != nullptr && source.file.get() != last) {
            last = source.file.get();
            owner.files.insert(*last);
        }
        const bool told = note_mentioned(owners, text, owner.mentioned);
        if (text.starts_with(kOnHost)) {
            note_interface(text.substr(kOnHost.size()), told, host_names, owner);
        }
    });
}

Owners relate(const Value& document, const std::set<std::string>& counting, const Grammar& grammar) {
    const auto values = by_owner(document, grammar);
    Owners owners = {{"", {}}};
    HostNames host_names;
    for (const auto& [name, value] : values) {
        owners.try_emplace(name);
        note_host_names(name, *value, host_names);
    }
    for (const auto& [name, value] : values) {
        note_values(*value, owners, host_names, owners.find(name)->second);
        owners.find(name)->second.mentioned.erase(name);
        const Value* extends = value->find("extends");
        const auto* of = extends == nullptr ? nullptr : extends->get_if<std::string>();
        owners.find(name)->second.needs_all |=
            of != nullptr && counting.contains(*of) && value->find("index") == nullptr;
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

std::vector<Related> related_owners(std::span<const TextFile> files, Kinds kinds) {
    Diagnostics problems;
    const Grammar grammar = make_grammar(kinds);
    std::vector<Value> parsed;
    for (const TextFile& file : files) {
        if (auto value = parse_toml(file, problems)) {
            parsed.push_back(std::move(*value));
        }
    }
    const Value merged = merge_files(parsed, grammar, problems);
    const Owners owners = relate(expand_templates(merged, problems), counting_templates(merged), grammar);
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
