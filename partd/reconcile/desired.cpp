#include "reconcile/desired.h"

#include "base/text.h"
#include "config/toml.h"
#include "kernel/files.h"
#include "kinds/kinds.h"
#include "reconcile/history.h"
#include "reconcile/rollback.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

std::string directory_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

std::string name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// The files of directories that are missing now stay as they were accepted; nothing is torn down because a
// disk is not mounted.
void keep_missing(const std::set<std::string>& missing, const std::vector<TextFile>& accepted,
                  Desired& desired) {
    std::set<std::string> gone;
    for (const TextFile& file : accepted) {
        const auto same_name = [&](const TextFile& other) {
            return name_of(other.path) == name_of(file.path);
        };
        if (missing.contains(directory_of(file.path)) && std::ranges::none_of(desired.files, same_name)) {
            desired.files.push_back(file);
            desired.stale.insert(file.path);
            gone.insert(directory_of(file.path));
        }
    }
    for (const std::string& directory : missing) {
        if (!gone.contains(directory)) {
            desired.left_out.insert(directory);
        }
    }
    for (const std::string& directory : gone) {
        desired.notes.push_back(fmt::format(
            "{} is missing or cannot be read: what its files declared stays as it is", directory));
    }
}

// Puts what was last good in the place of a file, or takes it out. False when that was tried already.
bool fall_back(const std::string& path, const std::vector<TextFile>& accepted, Desired& desired) {
    const auto good = std::ranges::find(accepted, path, &TextFile::path);
    const bool first = good != accepted.end() && desired.stale.insert(path).second;
    const auto current = std::ranges::find(desired.files, path, &TextFile::path);
    if (first) {
        if (current != desired.files.end()) {
            *current = *good;
        } else {
            desired.files.push_back(*good);
        }
        return true;
    }
    desired.left_out.insert(path);
    if (current == desired.files.end()) {
        return false;
    }
    desired.files.erase(current);
    desired.stale.erase(path);
    return true;
}

std::set<std::string> files_at_fault(const Diagnostics& problems) {
    std::set<std::string> paths;
    for (const Problem& problem : problems.problems()) {
        if (problem.at.file != nullptr) {
            paths.insert(*problem.at.file);
        }
    }
    return paths;
}

// Goes on without the files that are wrong, until what is left is right.
void keep_going(const std::vector<TextFile>& accepted, Desired& desired) {
    bool changed = true;
    while (!desired.compiled.problems.empty() && changed) {
        changed = false;
        for (const std::string& path : files_at_fault(desired.compiled.problems)) {
            changed |= fall_back(path, accepted, desired);
        }
        desired.compiled = config::compile(desired.files, pure_kinds());
    }
}

void add_problems(const Diagnostics& from, Desired& desired) {
    desired.problems.insert(desired.problems.end(), from.problems().begin(), from.problems().end());
}

void read_files(const kernel::Paths& paths, const std::vector<TextFile>& accepted,
                const DesiredOptions& options, Desired& desired) {
    auto found = kernel::read_config_directories(paths.config(), config::kMaxFileSize, options.memory);
    desired.written = hash_of(found.files);
    desired.files = std::move(found.files);
    desired.overlooked = std::move(found.overlooked);
    add_problems(found.problems, desired);
    keep_missing(found.missing, accepted, desired);
    for (const std::string& path : found.unread) {
        fall_back(path, accepted, desired);
        desired.notes.push_back(path + " is being written: it is read when it is closed");
    }
    if (options.keep_going) {
        for (const std::string& path : found.bad) {
            fall_back(path, accepted, desired);
        }
    }
}

// What was declared when that generation was applied.
Result<std::vector<TextFile>> files_of_generation(const kernel::Paths& paths, std::uint64_t number) {
    if (number == 0) {
        return std::vector<TextFile>();
    }
    auto found = History(paths.history()).find(number);
    PARTD_TRY(found);
    if (!*found) {
        return fail(fmt::format("there is no generation {}: see partctl history", number));
    }
    return std::move((*found)->files);
}

// Files that were rolled back and have not been touched since say nothing.
Result<> stay_rolled_back(const kernel::Paths& paths, const DesiredOptions& options, Desired& desired) {
    if (options.as_written) {
        return {};
    }
    const auto read = read_rolled_back(paths);
    if (!read && read.error().code == EACCES) {
        return {};  // a user checks files
    }
    PARTD_TRY(read);
    const auto& rolled_back = *read;
    if (!rolled_back || rolled_back->files != desired.written) {
        return {};
    }
    auto files = files_of_generation(paths, rolled_back->generation);
    PARTD_TRY(files);
    desired.files = std::move(*files);
    desired.rolled_back = true;
    desired.problems.clear();
    desired.stale.clear();
    desired.notes = {
        fmt::format("the files as they are were rolled back: generation {} is in force until they "
                    "change, or until partctl apply",
                    rolled_back->generation)};
    return {};
}

}  // namespace

Result<Desired> load_desired(const kernel::Paths& paths, const DesiredOptions& options) {
    const auto accepted = accepted_files(paths);
    PARTD_TRY(accepted);
    Desired desired;
    if (options.generation) {
        auto files = files_of_generation(paths, *options.generation);
        PARTD_TRY(files);
        desired.files = std::move(*files);
    } else {
        read_files(paths, *accepted, options, desired);
        PARTD_TRY(stay_rolled_back(paths, options, desired));
    }
    if (options.extra) {
        std::erase_if(desired.files, [&](const TextFile& file) {
            return name_of(file.path) == name_of(options.extra->path);
        });
        desired.files.push_back(*options.extra);
    }
    desired.compiled = config::compile(desired.files, pure_kinds());
    add_problems(desired.compiled.problems, desired);
    if (options.keep_going) {
        keep_going(*accepted, desired);
    }
    desired.compiled.desired.left_out = desired.left_out;
    return desired;
}

Result<Desired> load_files(std::vector<TextFile> files) {
    Desired desired;
    desired.files = std::move(files);
    desired.compiled = config::compile(desired.files, pure_kinds());
    add_problems(desired.compiled.problems, desired);
    return desired;
}

Result<> accept(const kernel::Paths& paths, const std::vector<TextFile>& files) {
    const std::string all = encode_files(files);
    if (kernel::read_file(paths.accepted()).value_or("") == all) {
        return {};
    }
    auto lock = kernel::lock_file(paths.lock());
    PARTD_TRY(lock);
    return kernel::write_atomically(paths.accepted(), all, 0600);
}

Result<std::vector<TextFile>> accepted_files(const kernel::Paths& paths) {
    const auto text = kernel::read_if_there(paths.accepted());
    if (!text && text.error().code == EACCES) {
        return std::vector<TextFile>();  // a user checks files
    }
    PARTD_TRY(text);
    return decode_files(*text);
}

}  // namespace partd
