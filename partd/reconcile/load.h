// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/compile.h"
#include "kernel/file/config_files.h"
#include "kernel/host.h"
#include "reconcile/leaving.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd {

struct DesiredOptions {
    std::vector<TextFile> extra = {};              // besides those of the directories, or in their place
    bool keep_going = false;                       // a wrong file does not hold back the others
    bool as_written = false;                       // also files that were rolled back
    std::optional<std::uint64_t> generation = {};  // that one instead of the files; 0: nothing at all
    kernel::ConfigMemory* memory = nullptr;        // of files that were read before
    Leaving* leaving = nullptr;  // whose files still count; without it they say nothing at once
};

// The desired state. A file that is wrong, or whose directory is gone, counts with its last good text.
struct Desired {
    config::Compiled compiled;
    std::vector<TextFile> files;            // from which it was made
    std::uint64_t written = 0;              // a hash of the files as they stand in the directories
    bool rolled_back = false;               // they say nothing until they change
    std::vector<Problem> problems;          // everything that is wrong
    bool silent = false;                    // a file is wrong, and what it said when last good is not known
    std::set<std::string> stale;            // files that are taken as they were when last good
    std::set<std::string> left_out;         // wrong, and nobody knows them as good (State::left_out)
    std::vector<std::string> notes;         // remarks for the reader
    std::set<std::string> overlooked = {};  // files that are not read, whose names are close to "*.toml"
    [[nodiscard]] bool good() const { return problems.empty(); }
};

Result<Desired> load_desired(const kernel::Paths& paths, const DesiredOptions& options);
// As load_desired(), of just these files.
Result<Desired> load_files(std::vector<TextFile> files);

// Remembers the files as good: until the host boots they are what a broken one falls back to. When they
// cannot be written down, neither are the ones before them remembered.
Result<> accept(const kernel::Paths& paths, const std::vector<TextFile>& files);
// The files to which a broken one falls back: those accepted since the host was booted, else those of the
// newest generation that can be read.
struct LastGood {
    std::vector<TextFile> files = {};
    bool accepted = false;      // they were accepted since the host was booted
    bool of_this_boot = false;  // partd has made something since then, and it may have been by these
    std::string trouble = {};   // why there are none, when there may have been
};
// An error only where memory or descriptors are short.
Result<LastGood> last_good(const kernel::Paths& paths);

}  // namespace partd
