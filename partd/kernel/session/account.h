// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <sys/types.h>

#include <string>
#include <vector>

namespace partd::kernel {

// A user as the files of this process' root know it (passwd(5), group(5)). They are read as texts: the
// partition's name services are not ours to load.
struct Account {
    std::string name = "root";
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups = {};  // supplementary
    std::string home = "/";
    std::string shell = "/bin/sh";
};

// Root's line of /etc/passwd, with the defaults above where there is none.
Account root_account();
// "alice", "1000", "alice:staff", "1000:1000". A number needs no line in /etc/passwd; its group is then the
// same number. An error says which name is missing in which file.
Result<Account> find_account(const std::string& text);
// Gives the calling process the user and its groups, for good.
Result<> become_user(const Account& account);

}  // namespace partd::kernel
