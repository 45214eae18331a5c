// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace partd::kernel {

// The mount interface by descriptors (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2)): what was
// checked is what is mounted, whatever happens to its path meanwhile.

// A copy of the mounts at an open file or directory, not attached anywhere.
Result<Fd> clone_tree(int at, bool recursive);
// A mount of a new file system instance with these options, with MOUNT_ATTR_… attributes, not attached
// anywhere.
Result<Fd> new_mount(const std::string& type, std::span<const std::pair<std::string, std::string>> options,
                     std::uint64_t attributes);
// Puts it on an open file or directory.
Result<> attach(int tree, int target);

// Sets MOUNT_ATTR_… attributes, of all mounts below too where `recursive`.
Result<> set_attributes(int tree, std::uint64_t attributes, bool recursive);
// MS_SLAVE: mounts and unmounts of the place that it was cloned from reach it, and nothing goes the other
// way. MS_PRIVATE, MS_SHARED: mount_namespaces(7).
Result<> set_propagation(int tree, std::uint64_t type, bool recursive = true);
// Takes MOUNT_ATTR_… attributes away, of this mount alone.
Result<> clear_attributes(int tree, std::uint64_t attributes);
// Sets when times of access are written, one of MOUNT_ATTR__ATIME, of all mounts below too where `recursive`.
Result<> set_access_times(int tree, std::uint64_t which, bool recursive);
// Shows the files of user 0 as those of the namespace's root, and so on. EINVAL for a file system that
// cannot.
Result<> map_ids(int tree, int user);

// Opens an absolute path from the root, following no symbolic link (openat2(2)); O_PATH.
Result<Fd> open_plain(const std::string& path);
// Opens a path below the root, following no symbolic link and never leaving the root. Missing parts are made:
// directories, and at the end a directory or an empty file; `made` is called with the path of each.
Result<Fd> open_target(int root, const std::string& path, bool directory,
                       const std::function<void(std::string_view)>& made = {});
// As open_target(), for a place that a file names: symbolic links are followed as if `root` were the
// process's root (chroot(2)), and never lead out of it.
Result<Fd> open_target_by_links(int root, const std::string& path, bool directory,
                                const std::function<void(std::string_view)>& made = {});
// Opens an existing path, following symbolic links below the root; ENOENT where a part of it is missing.
Result<Fd> find_target(int root, const std::string& path);

}  // namespace partd::kernel
