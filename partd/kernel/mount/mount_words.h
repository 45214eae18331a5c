// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace partd::kernel {

// Words of mount(8), taken apart.
struct MountWords {
    std::uint64_t set = 0;          // MOUNT_ATTR_…
    bool access_times = false;      // set says when times of access are written
    bool recursive = true;          // of a bind: with all that is mounted below the source
    std::uint64_t propagation = 0;  // MS_PRIVATE, of a bind; 0: as the source, one way
    bool all_below = true;          // the propagation is that of all mounts below, too
    bool idmap = false;
    std::vector<std::pair<std::string, std::string>> own = {};  // options of the file system itself
};
// An error is a sentence for whoever wrote them. Device nodes are dead unless "dev" is among the words.
Result<MountWords> read_mount_words(const std::string& type, std::span<const std::string> words,
                                    bool read_only);

}  // namespace partd::kernel
