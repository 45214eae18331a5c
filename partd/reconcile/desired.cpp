#include "reconcile/desired.h"

#include "base/text.h"
#include "config/toml.h"
#include "kernel/config_files.h"
#include "kernel/files.h"
#include "kinds/kinds.h"

#include <algorithm>

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

}  // namespace

Result<Desired> load_desired(const kernel::Paths& paths, const DesiredOptions& options) {
    auto found = kernel::read_config_directories(paths.config(), config::kMaxFileSize);
    const auto accepted = accepted_files(paths);
    Desired desired;
    desired.files = std::move(found.files);
    add_problems(found.problems, desired);
    keep_missing(found.missing, accepted, desired);
    if (!options.extra.empty()) {
        auto extra = kernel::read_named_file(options.extra, config::kMaxFileSize);
        PARTD_TRY(extra);
        std::erase_if(desired.files, [&](const TextFile& file) { return file.path == extra->path; });
        desired.files.push_back(std::move(*extra));
    }
    if (options.keep_going) {
        for (const std::string& path : found.bad) {
            fall_back(path, accepted, desired);
        }
    }
    desired.compiled = config::compile(desired.files, pure_kinds());
    add_problems(desired.compiled.problems, desired);
    if (options.keep_going) {
        keep_going(accepted, desired);
    }
    return desired;
}

Result<Desired> load_files(const std::vector<std::string>& files) {
    Desired desired;
    for (const std::string& path : files) {
        auto file = kernel::read_named_file(path, config::kMaxFileSize);
        if (file) {
            desired.files.push_back(std::move(*file));
        } else {
            const Source at{std::make_shared<const std::string>(path), 1, 1};
            desired.problems.push_back({at, file.error().message, {}, {}});
        }
    }
    desired.compiled = config::compile(desired.files, pure_kinds());
    add_problems(desired.compiled.problems, desired);
    return desired;
}

// One file holds them all: for each a line with its length and path, then its text.
Result<> accept(const kernel::Paths& paths, const std::vector<TextFile>& files) {
    std::string all;
    for (const TextFile& file : files) {
        all += fmt::format("{} {}\n{}", file.text.size(), file.path, file.text);
    }
    if (kernel::read_file(paths.accepted()).value_or("") == all) {
        return {};
    }
    auto lock = kernel::lock_file(paths.lock());
    PARTD_TRY(lock);
    return kernel::write_atomically(paths.accepted(), all, 0600);
}

std::vector<TextFile> accepted_files(const kernel::Paths& paths) {
    const std::string all = kernel::read_file(paths.accepted()).value_or("");
    std::vector<TextFile> files;
    std::string_view rest = all;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        const std::size_t blank = rest.find(' ');
        const auto size = parse_number(rest.substr(0, blank));
        if (!size || end == std::string_view::npos || blank > end || *size > rest.size() - end - 1) {
            break;  // cut off: what came before is whole
        }
        files.push_back(
            {std::string(rest.substr(blank + 1, end - blank - 1)), std::string(rest.substr(end + 1, *size))});
        rest.remove_prefix(end + 1 + *size);
    }
    return files;
}

}  // namespace partd
