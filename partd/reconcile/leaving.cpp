// SPDX-License-Identifier: Apache-2.0
#include "reconcile/leaving.h"

#include "config/cut.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace partd {

namespace {

std::string name_of(const TextFile& file) {
    return file.path.substr(file.path.rfind('/') + 1);
}

}  // namespace

void Leaving::expect(std::vector<TextFile> before, const std::vector<std::string>& directories,
                     Time patience) {
    before_ = std::move(before);
    directories_ = {directories.begin(), directories.end()};
    patience_ = patience;
}

// Updates the vanished files: newly missing, back, or missing for long enough.
void Leaving::miss(const std::set<std::string>& names, Time now, bool unsure) {
    std::set<std::string> in_force;
    for (const TextFile& file : before_) {
        in_force.insert(file.path);
        if (!names.contains(name_of(file)) &&
            directories_.contains(file.path.substr(0, file.path.rfind('/')))) {
            away_.try_emplace(file.path, Away{.file = file, .until = now + patience_});
        }
    }
    for (auto& [path, away] : away_) {
        away.held = unsure;
        away.over |= !unsure && now >= away.until;
    }
    std::erase_if(away_, [&](const auto& entry) {
        return names.contains(name_of(entry.second.file)) ||
               (entry.second.over && !in_force.contains(entry.first));
    });
}

// A declaration that came to stand in another file counts there.
void Leaving::yield(const std::vector<TextFile>& files) {
    std::map<std::string_view, std::string_view> texts;
    for (const TextFile& file : before_) {
        texts.emplace(file.path, file.text);
    }
    std::set<std::string> elsewhere;
    for (const TextFile& file : files) {
        const auto then = texts.find(file.path);
        if (then == texts.end() || then->second != file.text) {
            elsewhere.merge(config::tables_in(file));
        }
    }
    for (auto& [path, away] : away_) {
        auto rest = away.over || elsewhere.empty() ? std::optional(away.file)
                                                   : config::without_tables(away.file, elsewhere);
        away.over |= !rest;
        away.file = std::move(rest).value_or(std::move(away.file));
    }
}

std::set<std::string> Leaving::keep(std::vector<TextFile>& files, Time now, bool unsure) {
    std::set<std::string> names;
    std::ranges::for_each(files, [&](const TextFile& file) { names.insert(name_of(file)); });
    miss(names, now, unsure);
    if (!away_.empty()) {
        yield(files);
    }
    std::set<std::string> kept;
    for (const auto& [path, away] : away_) {
        if (!away.over) {
            files.insert(std::ranges::lower_bound(files, name_of(away.file), {}, name_of), away.file);
            kept.insert(path);
        }
    }
    return kept;
}

void Leaving::give_up(const std::string& path) {
    if (const auto found = away_.find(path); found != away_.end()) {
        found->second.over = true;
    }
}

std::optional<Leaving::Time> Leaving::due() const {
    std::optional<Time> first;
    for (const auto& [path, away] : away_) {
        if (!away.over && !away.held) {
            first = std::min(first.value_or(away.until), away.until);
        }
    }
    return first;
}

}  // namespace partd
