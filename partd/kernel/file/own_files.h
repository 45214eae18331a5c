// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace partd::kernel {

// Files of partd's own, beside what kernel/file/files.h has for all. As there, a file is replaced as a whole.

// Writes all of it, in as many calls as it takes.
Result<> write_all(int fd, std::string_view text);
// Writes a file that is not there yet, so that it survives a loss of power. False, and nothing is changed,
// when there is one.
Result<bool> write_new_durably(const std::string& path, std::string_view text, unsigned mode = 0644);
// As write_atomically, in a directory that may be somebody else's: no part of the path may be a symbolic
// link, and what has the file's name, a link, a FIFO, another's file, is replaced and not written to.
Result<> write_among_others(const std::string& path, std::string_view text, unsigned mode = 0644);
// Takes such a file away again, unless it is another's by now.
void remove_among_others(const std::string& path);
// A sentence, when others than its owner can put another file in the place of each in the directory; else "".
std::string who_else_writes_in(const std::string& directory);
// An empty file at that name, whether it was there or not.
Result<> make_file(const std::string& path);
// True if somebody has the file locked by flock(2), as proc_locks(5) shows; takes no lock itself.
bool is_locked(const std::string& path);

}  // namespace partd::kernel
