// SPDX-License-Identifier: Apache-2.0
#include "reconcile/file_record.h"

#include "base/names.h"
#include "base/text.h"
#include "config/relations.h"
#include "config/toml.h"
#include "kernel/file/files.h"
#include "kinds/kinds.h"
#include "kinds/ties.h"
#include "reconcile/rest.h"
#include "reconcile/rollback.h"

#include <algorithm>

#include <fmt/ranges.h>

namespace partd {

namespace {

using Stamps = std::map<std::string, kernel::FileStamp>;

// Its first line tells the version of partd and the files that it was made of. Each group has a line: its
// owners, kFiles, its files, with a tab before and behind each.
constexpr std::string_view kRecord = "partd-relations 3 ";
constexpr std::string_view kFiles = "\t:\t";

std::string place_of(const kernel::Paths& paths) {
    return paths.state() + "/relations";
}

// The record of what was last good counts, too: it stands for the files of a directory that is gone.
std::string first_line(const kernel::Paths& paths, const Stamps& stamps) {
    std::string all = kernel::file_stamp(paths.accepted());
    for (const auto& [path, stamp] : stamps) {
        all += path;
        all.append(reinterpret_cast<const char*>(stamp.data()), sizeof(stamp));
    }
    return fmt::format("{}{} {:016x}\n", kRecord, PARTD_VERSION, fnv1a(all));
}

// "" for a group that only all files tell about, or that a line cannot say.
std::string line_of(const config::Related& group) {
    const auto is_plain = [](const std::string& path) {
        return path.find_first_of("\t\n") == std::string::npos;
    };
    if (group.needs_all || !std::ranges::all_of(group.files, is_plain)) {
        return {};
    }
    return fmt::format("\t{}{}{}\t\n", fmt::join(group.owners, "\t"), kFiles, fmt::join(group.files, "\t"));
}

// Adds the files of that owner's group; false when no line tells them.
bool find_files(std::string_view record, const std::string& owner, std::set<std::string>& files) {
    const std::string wanted = "\t" + owner + "\t";
    std::size_t at = record.find(wanted);
    for (; at != std::string_view::npos; at = record.find(wanted, at + 1)) {
        const std::size_t begin = record.rfind('\n', at) + 1;
        const std::string_view line = record.substr(begin, record.find('\n', begin) - begin);
        const std::size_t middle = line.find(kFiles);
        if (middle == std::string_view::npos || at - begin > middle) {
            continue;
        }
        for (const std::string_view path : split(line.substr(middle + kFiles.size()), '\t')) {
            if (!path.empty()) {
                files.emplace(path);
            }
        }
        return true;
    }
    return false;
}

// Compiles these files; nullopt when they are not right, which only all files together explain.
std::optional<Desired> compile_part(const std::set<std::string>& paths) {
    auto found = kernel::read_config_files(paths, config::kMaxFileSize);
    if (!found.problems.empty() || found.files.size() != paths.size()) {
        return std::nullopt;
    }
    auto desired = load_files(std::move(found.files));
    if (!desired || !desired->good()) {
        return std::nullopt;
    }
    return std::move(*desired);
}

bool is_plain(const Desired& desired) {
    return desired.good() && desired.notes.empty() && desired.stale.empty() && !desired.rolled_back;
}

}  // namespace

FileRecord::FileRecord(const kernel::Paths& paths)
    : paths_(paths), stamps_(kernel::stamp_config_directories(paths.config())) {}

std::optional<Desired> FileRecord::part_of(const std::string& name) const {
    if (!valid_name(name)) {
        return std::nullopt;
    }
    const auto text = stamps_ ? kernel::read_if_there(place_of(paths_)) : Result<std::string>();
    const auto rolled_back = read_rolled_back(paths_);
    std::set<std::string> files;
    if (!text || text->empty() || !text->starts_with(first_line(paths_, *stamps_)) || !rolled_back ||
        *rolled_back || !find_files(*text, name, files) || !find_files(*text, "", files)) {
        return std::nullopt;
    }
    auto part = compile_part(files);
    if (part && !leave_stopped(paths_, *part)) {
        return std::nullopt;
    }
    for (const std::string& directory : part ? paths_.config() : std::vector<std::string>()) {
        if (!stamps_->contains(directory)) {
            part->compiled.desired.left_out.insert(directory);
        }
    }
    return part;
}

void FileRecord::renew(const Desired& all) const {
    // A directory may have been another one meanwhile.
    if (!stamps_ || !is_plain(all) || kernel::stamp_config_directories(paths_.config()) != stamps_) {
        return;
    }
    std::string text = first_line(paths_, *stamps_);
    for (const config::Related& group :
         config::related_owners(all.files, pure_kinds(), ties_between(all.compiled.declared))) {
        text += line_of(group);
    }
    // Without it the next one reads all files again, and that is all.
    (void)kernel::write_atomically(place_of(paths_), text, 0600);
}

}  // namespace partd
