// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/error.h"
#include "base/text_file.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// The content of the configuration directories.
struct ConfigFiles {
    std::vector<TextFile> files;  // by name; those that are well
    std::set<std::string> bad;    // paths of those that are refused
    std::set<std::string>
        missing;  // directories that are not there or cannot be read: not the same as empty ones
    std::set<std::string> unread;      // files that somebody has open to write: they may be half a file
    std::set<std::string> overlooked;  // files that are not read, with a name that was meant to be, maybe
    Diagnostics problems;
};

// True if a file that is not read has a name close to `*.toml`: "web.tmol", "web.conf", "web.toml.bak". False
// for hidden files and editors' leftovers (`#web.toml#`, `web.toml~`).
bool is_near_config_name(std::string_view name);

// Device, inode, size, and the times of the last change of its text and of itself: a file with the same stamp
// is the same.
using FileStamp = std::array<std::int64_t, 7>;

// Files as they were read, by path, with what told that they had come to rest: one that is still the same is
// not read again.
struct ConfigMemory {
    struct Entry {
        FileStamp stamp = {};
        std::string text;
    };
    std::map<std::string, Entry> entries = {};
};

// Reads `*.toml` of the directories, later ones replacing files of the same name in earlier ones; an empty
// file or a link to /dev/null masks. A file is refused unless it is a regular file with one name, at most
// `most` bytes long, owned by root and writable by nobody else; so is a directory that others may write.
// Never waits for anything (FIFOs) and follows no link. `memory` is used and renewed.
ConfigFiles read_config_directories(const std::vector<std::string>& directories, std::size_t most,
                                    ConfigMemory* memory = nullptr);

// The stamps of the directories, and of everything in them that read_config_directories() would read. nullopt
// when one of the files was changed so lately that another change might not show.
std::optional<std::map<std::string, FileStamp>> stamp_config_directories(
    const std::vector<std::string>& directories);

// As read_config_directories(), but only these files, by their paths.
ConfigFiles read_config_files(const std::set<std::string>& paths, std::size_t most);

// True when any user of the host can read the file at that absolute path: its mode, and each directory above
// it.
bool others_may_read(const std::string& path);

// One file that the user named: any regular file, or "-" for standard input.
Result<TextFile> read_named_file(const std::string& path, std::size_t most);

}  // namespace partd::kernel
