// SPDX-License-Identifier: Apache-2.0
#include "reconcile/load.h"

#include "base/text.h"
#include "config/toml.h"
#include "kernel/clock.h"
#include "kernel/file/files.h"
#include "kinds/kinds.h"
#include "kinds/stopped.h"
#include "reconcile/history.h"
#include "reconcile/ledger_file.h"
#include "reconcile/rest.h"
#include "reconcile/rollback.h"

#include <algorithm>
#include <cerrno>
#include <utility>

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

// Compiles with what is leaving; a file of that which is in the way of what is there gives way. Returns those
// that stay.
std::set<std::string> compile_leaving(Leaving& leaving, bool unsure, Desired& desired) {
    std::set<std::string> kept = leaving.keep(desired.files, kernel::since_boot(), unsure);
    desired.compiled = config::compile(desired.files, pure_kinds());
    while (!kept.empty() && !desired.compiled.problems.empty()) {
        std::set<std::string> in_the_way;
        for (const Problem& problem : desired.compiled.problems.problems()) {
            for (const Source& at : {problem.at, problem.other}) {
                if (at.file != nullptr && kept.contains(*at.file)) {
                    in_the_way.insert(*at.file);
                }
            }
        }
        if (in_the_way.empty()) {
            break;
        }
        for (const std::string& path : in_the_way) {
            leaving.give_up(path);
            kept.erase(path);
        }
        std::erase_if(desired.files, [&](const TextFile& file) { return in_the_way.contains(file.path); });
        desired.compiled = config::compile(desired.files, pure_kinds());
    }
    return kept;
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

// As compile_leaving(), but a vanished file gives way only to files that count as they stand: a wrong one
// falls back to its last good text, so a declaration that was moved there would be lost. `unsure`: there are
// such files already.
void compile_following(Leaving& leaving, const std::vector<TextFile>& accepted, bool unsure,
                       Desired& desired) {
    const Leaving before = leaving;
    std::set<std::string> kept;
    bool told = false;  // the first problems; later ones only follow from them
    for (bool again = true; again;) {
        std::vector<TextFile> there = desired.files;
        leaving = before;
        kept = compile_leaving(leaving, unsure, desired);
        again = false;
        std::vector<std::string> wrong;
        for (const std::string& path : files_at_fault(desired.compiled.problems)) {
            if (std::ranges::find(there, path, &TextFile::path) != there.end()) {
                wrong.push_back(path);
            }
        }
        if (!wrong.empty()) {
            if (!std::exchange(told, true)) {
                add_problems(desired.compiled.problems, desired);
            }
            desired.files = std::move(there);
            for (const std::string& path : wrong) {
                again |= fall_back(path, accepted, desired);
            }
            unsure = true;
        }
    }
    if (unsure) {
        for (const std::string& path : kept) {
            desired.notes.push_back(fmt::format(
                "{} is gone: what it declared stays until all files are right, or until partctl apply "
                "--keep-going",
                path));
        }
    }
}

// Reads the directories; true if a file that exists does not count as it stands.
bool read_files(const kernel::Paths& paths, const LastGood& good, const DesiredOptions& options,
                Desired& desired) {
    const std::vector<TextFile>& accepted = good.files;
    auto found = kernel::read_config_directories(paths.config(), config::kMaxFileSize, options.memory);
    desired.written = hash_of(found.files);
    desired.files = std::move(found.files);
    desired.overlooked = std::move(found.overlooked);
    // One that another file names is read for that (config_file of a wireguard).
    std::erase_if(desired.overlooked, [&](const std::string& path) {
        return std::ranges::any_of(desired.files,
                                   [&](const TextFile& file) { return file.text.contains(path); });
    });
    add_problems(found.problems, desired);
    if (!good.of_this_boot) {
        // One that was taken away before the host was booted has nothing here that could stay.
        std::erase_if(found.missing, [&](const std::string& path) { return !found.bad.contains(path); });
    }
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
    return !found.bad.empty() || !found.unread.empty();
}

// The files in force when that generation was applied.
Result<std::vector<TextFile>> files_of_generation(const kernel::Paths& paths, std::uint64_t number) {
    if (number == 0) {
        return std::vector<TextFile>();
    }
    const History history(paths.history());
    auto found = history.find(number);
    PARTD_TRY(found);
    if (*found) {
        return std::move((*found)->files);
    }
    const auto numbers = history.numbers();
    PARTD_TRY(numbers);
    return std::ranges::find(*numbers, number) == numbers->end()
               ? fail(fmt::format("there is no generation {}: see partctl history", number))
               : fail(fmt::format("generation {} is damaged, and nobody can tell what it declared: see "
                                  "partctl history",
                                  number));
}

// Files that were rolled back and have not been touched since say nothing.
Result<> stay_rolled_back(const kernel::Paths& paths, const DesiredOptions& options, const LastGood& good,
                          Desired& desired) {
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
    if (!files && good.files.empty()) {
        return std::unexpected(std::move(files).error().wrap("the files as they are were rolled back"));
    }
    desired.notes = {fmt::format(
        "the files as they are were rolled back: {} is in force until they change, or until partctl apply",
        files ? fmt::format("generation {}", rolled_back->generation)
              : fmt::format("what was last good, for {},", files.error().message))};
    if (files) {
        desired.files = std::move(*files);
    } else {
        desired.files = good.files;
    }
    desired.rolled_back = true;
    desired.problems.clear();
    desired.stale.clear();
    return {};
}

// Says of files that are wrong and nowhere kept what that means.
void note_silent(const LastGood& good, Desired& desired) {
    std::set<std::string> told;
    std::set<std::string> in_force;  // files, and directories that they are in
    for (const TextFile& file : desired.files) {
        in_force.insert(file.path);
        in_force.insert(directory_of(file.path));
    }
    for (const Problem& problem : desired.problems) {
        const std::string path = problem.at.file == nullptr ? "" : *problem.at.file;
        if (!path.empty() && !in_force.contains(path) && told.insert(path).second) {
            desired.silent = true;
            desired.notes.push_back(
                fmt::format("{} says nothing: it is wrong, and what it said when it was last good {}", path,
                            good.trouble.empty() ? "is not known" : "cannot be read: " + good.trouble));
        }
    }
}

}  // namespace

Result<Desired> load_desired(const kernel::Paths& paths, const DesiredOptions& options) {
    const auto read = last_good(paths);
    PARTD_TRY(read);
    const LastGood& good = *read;
    Desired desired;
    bool unsure = false;
    if (options.generation) {
        auto files = files_of_generation(paths, *options.generation);
        PARTD_TRY(files);
        desired.files = std::move(*files);
    } else {
        unsure = read_files(paths, good, options, desired);
        PARTD_TRY(stay_rolled_back(paths, options, good, desired));
    }
    for (const TextFile& extra : options.extra) {
        std::erase_if(desired.files,
                      [&](const TextFile& file) { return name_of(file.path) == name_of(extra.path); });
        desired.files.push_back(extra);
    }
    if (options.leaving != nullptr && !desired.rolled_back) {
        compile_following(*options.leaving, good.files, unsure, desired);
    } else {
        desired.compiled = config::compile(desired.files, pure_kinds());
    }
    add_problems(desired.compiled.problems, desired);
    if (options.keep_going) {
        keep_going(good.files, desired);
        note_silent(good, desired);
    }
    desired.compiled.desired.left_out = desired.left_out;
    PARTD_TRY(leave_stopped(paths, desired));
    return desired;
}

Result<Desired> load_files(std::vector<TextFile> files) {
    Desired desired;
    desired.files = std::move(files);
    desired.compiled = config::compile(desired.files, pure_kinds());
    drop_owners(desired.compiled.desired, stopped_partitions(desired.compiled.declared, {}));
    add_problems(desired.compiled.problems, desired);
    return desired;
}

namespace {

constexpr std::string_view kAccepted = "partd-files 1 ";

std::string encode_accepted(const std::vector<TextFile>& files) {
    const std::string body = encode_files(files);
    return fmt::format("{}{:016x}\n{}", kAccepted, fnv1a(body), body);
}

// nullopt when there are none, or what is there is damaged.
std::optional<std::vector<TextFile>> decode_accepted(std::string_view text) {
    if (text.starts_with(kAccepted)) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        return line == fmt::format("{}{:016x}", kAccepted, fnv1a(text)) ? decode_files(text) : std::nullopt;
    }
    // As a partd before wrote it, which may have been at work since the host was booted.
    return text.empty() ? std::nullopt : decode_files(text);
}

// Since the host was booted. The files that are in force are not accepted where one of them is silent.
Result<bool> has_made_something(const kernel::Paths& paths) {
    LedgerFile ledger(paths.ledger());
    PARTD_TRY(ledger.read());
    bool made = false;
    ledger.get().for_all([&](Ledger::NameView, const LedgerEntry& entry) { made |= !entry.owner.empty(); });
    return made;
}

}  // namespace

Result<> accept(const kernel::Paths& paths, const std::vector<TextFile>& files) {
    const std::string all = encode_accepted(files);
    if (kernel::read_file(paths.accepted()).value_or("") == all) {
        return {};
    }
    auto written = kernel::write_atomically(paths.accepted(), all, 0600);
    if (!written) {
        (void)kernel::remove_file(paths.accepted());  // it would be taken for newer than the history
    }
    return written;
}

Result<LastGood> last_good(const kernel::Paths& paths) {
    const auto text = kernel::read_if_there(paths.accepted());
    if (auto files = text ? decode_accepted(*text) : std::nullopt) {
        return LastGood{.files = std::move(*files), .accepted = true, .of_this_boot = true};
    }
    if (!text && text.error().code == EACCES) {
        return LastGood();  // a user checks files
    }
    if (!text && text.error().is_shortage()) {
        return std::unexpected(text.error());
    }
    auto last = History(paths.history()).last();
    if (!last && last.error().is_shortage()) {
        return std::unexpected(std::move(last).error());
    }
    const auto made = has_made_something(paths);
    PARTD_TRY(made);
    if (!last) {
        return LastGood{.of_this_boot = *made, .trouble = last.error().message};
    }
    return LastGood{.files = *last ? std::move((*last)->files) : std::vector<TextFile>(),
                    .of_this_boot = *made,
                    .trouble = text ? "" : text.error().message};
}

}  // namespace partd
