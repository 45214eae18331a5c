// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"

#include <sys/types.h>

#include <map>
#include <set>
#include <string>

namespace partd::kernel {

// "it exited with status 3", "it was killed by SIGSEGV": a status of wait(2) in words.
std::string end_text(int status);

// How processes ended that are nobody's children here: each is held by a pidfd, which tells afterwards
// (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15).
class Terminations {
public:
    // From now on this process goes by that name.
    void watch(const std::string& name, pid_t process);
    // In words; "" where it still runs, or the kernel does not tell.
    [[nodiscard]] std::string how(const std::string& name) const;
    // The other names are held no longer.
    void keep_only(const std::set<std::string>& names) {
        std::erase_if(watched_, [&](const auto& each) { return !names.contains(each.first); });
    }

private:
    struct Watched {
        pid_t pid = 0;
        Fd process;
    };
    std::map<std::string, Watched> watched_;
};

}  // namespace partd::kernel
