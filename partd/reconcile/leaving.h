// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text_file.h"

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd {

// Files that have vanished, and may come back, or stand in another one, in a moment: until that has settled
// they go on saying what they said. Times are since the boot.
class Leaving {
public:
    using Time = std::chrono::milliseconds;

    // Sets the files in force until now and their directories. A file that vanishes is kept for `patience`.
    void expect(std::vector<TextFile> before, const std::vector<std::string>& directories, Time patience);
    // Adds them to the files that are there, sorted by name, and takes out of them what another file declares
    // since. Returns their paths. While some file does not count as it stands (`unsure`), time ends none of
    // them: it may be the one where the declaration is to stand from now on.
    std::set<std::string> keep(std::vector<TextFile>& files, Time now, bool unsure = false);
    // One of them is in the way of what is there: it is gone at once.
    void give_up(const std::string& path);
    // When the next of them has been away for long enough; nullopt when none is, or time ends none.
    [[nodiscard]] std::optional<Time> due() const;

private:
    struct Away {
        TextFile file = {};
        Time until{0};
        bool over = false;  // it is not kept any more, but it was in force up to now
        bool held = false;  // time does not end it now
    };
    void miss(const std::set<std::string>& names, Time now, bool unsure);
    void yield(const std::vector<TextFile>& files);

    std::vector<TextFile> before_;
    std::set<std::string> directories_;
    Time patience_{0};
    std::map<std::string, Away> away_;
};

}  // namespace partd
