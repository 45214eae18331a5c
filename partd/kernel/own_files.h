#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace partd::kernel {

// Files of partd's own, beside what kernel/files.h has for all. As there, a file is replaced as a whole.

// Writes all of it, in as many calls as it takes.
Result<> write_all(int fd, std::string_view text);
// Writes a file that is not there yet, so that it survives a loss of power. False, and nothing is changed,
// when there is one.
Result<bool> write_new_durably(const std::string& path, std::string_view text, unsigned mode = 0644);
// An empty file at that name, whether it was there or not.
Result<> make_file(const std::string& path);
// Whether somebody has the file locked by flock(2), as proc_locks(5) tells; it is not locked for that.
bool is_locked(const std::string& path);

}  // namespace partd::kernel
