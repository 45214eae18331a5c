// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// Opens a directory for what stands below it; O_PATH where `for_reading` is false.
Result<Fd> open_directory(const std::string& path, bool for_reading = true);
// Opens a name below a directory without following any symbolic link or leaving it (openat2(2)).
Result<Fd> open_below(int directory, const std::string& name, int flags, unsigned mode = 0);

// The whole file, at most `most` bytes; more is EFBIG.
Result<std::string> read_file(const std::string& path, std::size_t most = std::size_t{64} << 20);
Result<std::string> read_fd(int fd, std::size_t most);
// Reads a file of partd's own; "" if it does not exist. EPERM if users other than root could have written it:
// its text decides about the host. Follows no symbolic link and does not block (FIFOs).
Result<std::string> read_if_there(const std::string& path);
// One write(2) to an existing file of procfs, sysfs or cgroupfs.
Result<> write_kernel_file(const std::string& path, std::string_view text);
// Replaces the file as a whole: a reader sees the old text or the new one, of several writers the last one's.
// A draft beside it that a killed writer left is used again.
Result<> write_atomically(const std::string& path, std::string_view text, unsigned mode = 0644);
// As write_atomically(), and the new text survives a power loss once this has returned.
Result<> write_durably(const std::string& path, std::string_view text, unsigned mode = 0644);
// Adds to the end of an existing file with one write(2).
Result<> append_file(const std::string& path, std::string_view text);
// Changes whenever the file does: its device, inode, size and time of change; "" when there is none.
std::string file_stamp(const std::string& path);
// Makes the directory and those above it.
Result<> make_directories(const std::string& path, unsigned mode = 0755);
// The names in a directory, sorted, without "." and ".."; ENOENT is an error.
Result<std::vector<std::string>> list_directory(const std::string& path);
// As list_directory(), but empty if there is no such directory.
Result<std::vector<std::string>> list_if_there(const std::string& path);
// True if the directory has subdirectories: each has a link to its parent (path_resolution(7), "..").
bool has_directories(const std::string& path);
bool exists(const std::string& path);
// Absent is success.
Result<> remove_file(const std::string& path);
// Removes the directory if nothing is in it.
void remove_empty_directory(const std::string& path);
// Removes the directory with all that is below it; follows no link. Absent is success.
Result<> remove_tree(const std::string& path);
// Absent is success.
Result<> rename_path(const std::string& from, const std::string& to);
// Replaces what is in an existing file, which stays the same for those that have it mounted.
Result<> rewrite(const std::string& path, std::string_view text);
// "8:0" of a block device's path; "" when it is none.
std::string block_device_number(const std::string& path);

// Extended attributes (xattr(7)); "" when there is none.
std::string get_xattr(const std::string& path, const std::string& name);
Result<> set_xattr(const std::string& path, const std::string& name, std::string_view value);
void remove_xattr(const std::string& path, const std::string& name);
std::vector<std::string> list_xattrs(const std::string& path);

}  // namespace partd::kernel
