#include "reconcile/edit.h"

#include "kinds/kinds.h"
#include "reconcile/rollback.h"

#include <algorithm>
#include <cctype>
#include <ranges>

namespace partd {

namespace {

// The places of the files whose texts differ; nullopt when files came or went.
std::optional<std::vector<std::size_t>> edited(const std::vector<TextFile>& before,
                                               const std::vector<TextFile>& after) {
    std::vector<std::size_t> places;
    if (!std::ranges::equal(before, after, {}, &TextFile::path, &TextFile::path)) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
        if (before[i].text != after[i].text) {
            places.push_back(i);
        }
    }
    return places;
}

bool is_wordy(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Whether that name stands in the text, also as a part of another one ("web" in "pv-web"). It may be hidden
// behind an escape.
bool mentions(std::string_view text, std::string_view name) {
    if (text.contains('\\')) {
        return true;
    }
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        const std::size_t end = at + name.size();
        if ((at == 0 || !is_wordy(text[at - 1])) && (end == text.size() || !is_wordy(text[end]))) {
            return true;
        }
    }
    return false;
}

bool alike(const Resource* one, const Resource& other) {
    return one != nullptr && same(*one, other) && same(other, *one);
}

config::Compiled compile_some(const std::vector<TextFile>& files, const std::vector<std::size_t>& places) {
    std::vector<TextFile> some;
    std::ranges::transform(places, std::back_inserter(some), [&](std::size_t place) { return files[place]; });
    return config::compile(some, pure_kinds());
}

// One edit while it is judged.
class Editor {
public:
    Editor(Desired& desired, const Parts& parts, const std::vector<TextFile>& files,
           std::vector<std::size_t> places)
        : desired_(desired), parts_(parts), files_(files), places_(std::move(places)) {}

    // Whether the files that were edited say everything about it.
    bool is_apart() {
        before_ = compile_some(desired_.files, places_);
        after_ = compile_some(files_, places_);
        owners_ = after_.declared.owners();
        return before_.problems.empty() && after_.problems.empty() && owners_ == before_.declared.owners() &&
               !owners_.contains("") && are_strangers() && stood_alone() && differs_apart();
    }

    Edit carry_out() {
        for (Resource& now : after_.desired.all()) {
            Resource* known = desired_.compiled.desired.find(now.key);
            if (known == nullptr) {
                desired_.compiled.desired.add(std::move(now));
            } else if (owners_.contains(now.owner)) {
                *known = std::move(now);
            } else if (known->source && now.source && *known->source.file == *now.source.file) {
                known->source = now.source;
                known->places = now.places;
            }
        }
        desired_.compiled.desired.erase(gone_);
        return std::move(edit_);
    }

private:
    // Neither mentions the other: the files that were edited, and the partitions of all the others.
    bool are_strangers() const {
        for (const std::size_t place : places_) {
            const std::string& text = files_[place].text;
            const auto is_mentioned = [&](const std::string& owner) {
                return !owner.empty() && !owners_.contains(owner) && mentions(text, owner);
            };
            if (mentions(text, "template") || mentions(desired_.files[place].text, "template") ||
                std::ranges::any_of(parts_.owners(), is_mentioned)) {
                return false;
            }
        }
        for (std::size_t i = 0; i < files_.size(); ++i) {
            const auto is_in = [&](const std::string& owner) { return mentions(files_[i].text, owner); };
            if (std::ranges::find(places_, i) == places_.end() && std::ranges::any_of(owners_, is_in)) {
                return false;
            }
        }
        return true;
    }

    // Whether they alone gave what the whole document has of their partitions, and whether what they share
    // with others is as before.
    bool stood_alone() const {
        return std::ranges::all_of(before_.desired.all(),
                                   [&](const Resource& resource) {
                                       return owners_.contains(resource.owner)
                                                  ? alike(desired_.compiled.desired.find(resource.key),
                                                          resource)
                                                  : after_.desired.find(resource.key) != nullptr;
                                   }) &&
               std::ranges::all_of(after_.desired.all(), [&](const Resource& resource) {
                   return owners_.contains(resource.owner) ||
                          alike(before_.desired.find(resource.key), resource);
               });
    }

    // Whether what differs is for nobody else to mind; notes it.
    bool differs_apart() {
        for (const Resource& now : after_.desired.all()) {
            const Resource* then = before_.desired.find(now.key);
            if (alike(then, now)) {
                continue;
            }
            if (!now.key.kind->apart ||
                now.claims != (then == nullptr ? decltype(now.claims)() : then->claims)) {
                return false;
            }
            edit_.changed.add(*now.key.kind, now.owner);
            edit_.reshaped |= then == nullptr || then->needs != now.needs;
        }
        for (const Resource& then : before_.desired.all()) {
            if (after_.desired.find(then.key) != nullptr) {
                continue;
            }
            if (!then.key.kind->apart) {
                return false;
            }
            edit_.changed.add(*then.key.kind, then.owner);
            edit_.reshaped = true;
            gone_.push_back(then.key);
        }
        return true;
    }

    Desired& desired_;
    const Parts& parts_;
    const std::vector<TextFile>& files_;
    std::vector<std::size_t> places_;  // of the files that were edited
    config::Compiled before_;          // of these alone
    config::Compiled after_;
    std::set<std::string> owners_;  // the partitions that they declare
    std::vector<Key> gone_;
    Edit edit_;
};

}  // namespace

std::optional<Edit> take_edit(Desired& desired, const Parts& parts, std::vector<TextFile> files) {
    constexpr std::size_t kFew = 4;
    const auto places = edited(desired.files, files);
    if (!places || places->size() > kFew) {
        return std::nullopt;
    }
    Edit edit;
    if (!places->empty()) {
        Editor editor(desired, parts, files, *places);
        if (!editor.is_apart()) {
            return std::nullopt;
        }
        edit = editor.carry_out();
    }
    desired.files = std::move(files);
    desired.written = hash_of(desired.files);
    return edit;
}

}  // namespace partd
