// SPDX-License-Identifier: Apache-2.0
#include "reconcile/incremental.h"

#include "kinds/kinds.h"
#include "kinds/stopped.h"
#include "reconcile/rollback.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <ranges>
#include <unordered_map>
#include <unordered_set>

namespace partd {

namespace {

// The files of `one` that `other` does not have with the same text.
std::vector<TextFile> only_in(const std::vector<TextFile>& one, const std::vector<TextFile>& other) {
    std::unordered_map<std::string_view, const TextFile*> by_path;
    for (const TextFile& file : other) {
        by_path.emplace(file.path, &file);
    }
    std::vector<TextFile> files;
    std::ranges::copy_if(one, std::back_inserter(files), [&](const TextFile& file) {
        const auto found = by_path.find(file.path);
        return found == by_path.end() || found->second->text != file.text;
    });
    return files;
}

bool is_wordy(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// True if the name may occur in the text, also as a part of another one ("web" in "pv-web"). An escape or a
// template's placeholder may produce any name.
bool mentions(std::string_view text, std::string_view name) {
    if (text.contains('\\') || text.contains("{name}") || text.contains("{index}")) {
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

// True if both are equal, also in members that are not compared with the live host.
bool alike(const Resource* one, const Resource& other) {
    return one != nullptr && one->owner == other.owner && one->depends_on == other.depends_on &&
           one->contained_in == other.contained_in && one->exclusive_names == other.exclusive_names &&
           one->spec == other.spec;
}

// Some files, compiled by themselves.
struct Alone {
    std::vector<TextFile> files;
    config::Compiled compiled;
    std::set<std::string> owners;  // partitions and slices that they declare

    explicit Alone(std::vector<TextFile> some)
        : files(std::move(some)),
          compiled(config::compile(files, pure_kinds())),
          owners(compiled.declared.owners()) {
        drop_owners(compiled.desired, stopped_partitions(compiled.declared, {}));
    }

    [[nodiscard]] const State& wants() const { return compiled.desired; }
    // Resources that belong to none of its owners: others may want them too.
    [[nodiscard]] std::vector<const Resource*> shared() const {
        std::vector<const Resource*> found;
        for (const Resource& resource : wants().all()) {
            if (!owners.contains(resource.owner)) {
                found.push_back(&resource);
            }
        }
        return found;
    }
    [[nodiscard]] bool has_file(const std::string& path) const {
        return std::ranges::find(files, path, &TextFile::path) != files.end();
    }
};

bool share_the_same(const Alone& one, const Alone& other) {
    const auto shared = one.shared();
    return shared.size() == other.shared().size() &&
           std::ranges::all_of(shared, [&](const Resource* resource) {
               return !other.owners.contains(resource->owner) &&
                      alike(other.wants().find(resource->key), *resource);
           });
}

// One edit while it is judged.
class Editor {
public:
    Editor(Desired& desired, DesiredIndex& parts, const std::vector<TextFile>& files,
           std::vector<TextFile> gone, std::vector<TextFile> came)
        : desired_(desired),
          parts_(parts),
          files_(files),
          before_(std::move(gone)),
          after_(std::move(came)),
          owners_(before_.owners) {
        owners_.insert(after_.owners.begin(), after_.owners.end());
    }

    // True if these files alone decide what the edit changes.
    bool is_apart() {
        return before_.compiled.problems.empty() && after_.compiled.problems.empty() &&
               !owners_.contains("") && are_strangers() && stands_alone(before_) && differs_apart() &&
               meets_nobody() &&
               (share_the_same(before_, after_) || (is_nothing_new(before_) && is_nothing_new(after_)));
    }

    Scope carry_out() {
        for (const Resource& then : before_.wants().all()) {
            if (owners_.contains(then.owner)) {
                parts_.remove(*whole().find(then.key));
            }
        }
        whole().erase(gone_);
        for (const Resource& now : after_.wants().all()) {
            Resource* known = whole().find(now.key);
            if (known == nullptr) {
                whole().add(now);
            } else if (owners_.contains(now.owner)) {
                *known = now;
            } else if (known->source && before_.has_file(*known->source.file)) {
                known->source = now.source;
                known->places = now.places;
            }
        }
        for (const Resource& now : after_.wants().all()) {
            if (owners_.contains(now.owner)) {
                parts_.add(*whole().find(now.key), whole());
            }
        }
        return std::move(changed_);
    }

private:
    State& whole() { return desired_.compiled.desired; }
    [[nodiscard]] const State& whole() const { return desired_.compiled.desired; }

    // Neither mentions the other: these files, and the partitions of all the others.
    bool are_strangers() const {
        const auto says = [&](const TextFile& file) {
            const auto is_mentioned = [&](const std::string& owner) {
                return !owner.empty() && !owners_.contains(owner) && mentions(file.text, owner);
            };
            return mentions(file.text, "template") || std::ranges::any_of(parts_.owners(), is_mentioned);
        };
        const auto is_said_in = [&](const TextFile& file) {
            const auto is_in = [&](const std::string& owner) { return mentions(file.text, owner); };
            return !after_.has_file(file.path) && std::ranges::any_of(owners_, is_in);
        };
        return std::ranges::none_of(before_.files, says) && std::ranges::none_of(after_.files, says) &&
               std::ranges::none_of(files_, is_said_in);
    }

    // True if compiling these files alone gives the resources that the full document has for their
    // partitions.
    bool stands_alone(const Alone& some) const {
        return std::ranges::all_of(some.wants().all(), [&](const Resource& resource) {
            const Resource* known = whole().find(resource.key);
            return known != nullptr && (!some.owners.contains(resource.owner) || alike(known, resource));
        });
    }

    // True if all differing resources are of independent kinds; notes them.
    bool differs_apart() {
        for (const Resource& now : after_.wants().all()) {
            const Resource* then = before_.wants().find(now.key);
            if (owners_.contains(now.owner) && !alike(then, now)) {
                note(now);
                if (then == nullptr && whole().find(now.key) != nullptr) {
                    return false;
                }
            }
        }
        for (const Resource& then : before_.wants().all()) {
            const Resource* now = after_.wants().find(then.key);
            if (owners_.contains(then.owner) && !alike(now, then)) {
                note(then);
                if (now == nullptr) {
                    gone_.push_back(then.key);
                }
            }
        }
        return std::ranges::all_of(differing_,
                                   [](const Resource* one) { return one->key.kind->independent; });
    }

    void note(const Resource& differing) {
        differing_.push_back(&differing);
        changed_.add_own(*differing.key.kind, differing.owner);
    }

    // True if no other owner's resource has one of their exclusive names or interacts with them.
    bool meets_nobody() const {
        std::unordered_set<std::string_view> claims;
        bool may_meet = false;
        for (const Resource* one : differing_) {
            claims.insert(one->exclusive_names.begin(), one->exclusive_names.end());
            may_meet |= one->key.kind->interacts != nullptr;
        }
        const auto claims_one = [&](const Resource& other) {
            return std::ranges::any_of(other.exclusive_names,
                                       [&](const auto& name) { return claims.contains(name); });
        };
        const auto meets = [&](const Alone& some, const Resource& other) {
            return std::ranges::any_of(some.wants().all(), [&](const Resource& one) {
                return one.key.kind == other.key.kind && other.key.kind->interacts(one, other);
            });
        };
        return std::ranges::none_of(whole().all(), [&](const Resource& other) {
            return !owners_.contains(other.owner) && ((!claims.empty() && claims_one(other)) ||
                                                      (may_meet && other.key.kind->interacts != nullptr &&
                                                       (meets(before_, other) || meets(after_, other))));
        });
    }

    // True if the shared resources would be the same without these files, because another file declares them
    // too.
    bool is_nothing_new(const Alone& some) const {
        const auto shared = some.shared();
        const auto is_of_others = [&](const Resource* resource) {
            const Resource* known = whole().find(resource->key);
            return known != nullptr && known->source && !some.has_file(*known->source.file);
        };
        return shared.empty() || (std::ranges::all_of(shared, is_of_others) && has_witness(some));
    }

    // Most files are like those around them.
    bool has_witness(const Alone& some) const {
        constexpr std::ptrdiff_t kNear = 3;
        const auto name = [](const TextFile& file) {
            return std::string_view(file.path).substr(file.path.rfind('/') + 1);
        };
        const auto place = std::ranges::lower_bound(files_, name(some.files.front()), {}, name);
        const auto first = place - std::min(kNear, place - files_.begin());
        const auto last = place + std::min(kNear, files_.end() - place);
        return std::any_of(first, last, [&](const TextFile& file) {
            const Alone other({file});
            return !after_.has_file(file.path) && other.compiled.problems.empty() && stands_alone(other) &&
                   share_the_same(other, some);
        });
    }

    Desired& desired_;
    DesiredIndex& parts_;
    const std::vector<TextFile>& files_;
    Alone before_;
    Alone after_;
    std::set<std::string> owners_;
    std::vector<const Resource*> differing_;  // as they were and as they are
    std::vector<Key> gone_;
    Scope changed_ = Scope::nothing();
};

}  // namespace

std::optional<Scope> take_edit(Desired& desired, DesiredIndex& parts, std::vector<TextFile> files) {
    constexpr std::size_t kFew = 4;
    auto gone = only_in(desired.files, files);
    auto came = only_in(files, desired.files);
    if (gone.size() > kFew || came.size() > kFew) {
        return std::nullopt;
    }
    Scope changed = Scope::nothing();
    if (!gone.empty() || !came.empty()) {
        Editor editor(desired, parts, files, std::move(gone), std::move(came));
        if (!editor.is_apart()) {
            return std::nullopt;
        }
        changed = editor.carry_out();
    }
    desired.files = std::move(files);
    desired.written = hash_of(desired.files);
    return changed;
}

}  // namespace partd
