// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/source.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace partd::kernel {

// A resource limit of a process (getrlimit(2)); the largest number stands for no limit.
struct ResourceLimit {
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};
// "1024:4096", "1024" (both), "unlimited", "1024:unlimited"; nullopt for anything else.
std::optional<ResourceLimit> parse_limit(std::string_view text);
// RLIMIT_NOFILE of "nofile"; nullopt when there is none of that name.
std::optional<int> resource_number(std::string_view name);
// The names of all of them, for a message: "as, core, …".
std::string resource_names();

// The number of a capability by its name ("CAP_NET_ADMIN", "net_admin"); nullopt when there is none.
std::optional<int> capability_number(std::string_view name);

// The rights and bounds of a program that is to be started.
struct Privileges {
    std::string user = {};                           // as find_account() takes it; "": stays root
    std::optional<std::uint64_t> capabilities = {};  // the only ones that it, and all it starts, ever have
    bool no_new_privileges = false;
    std::optional<int> nice = {};
    std::optional<int> oom_score_adj = {};
    std::map<int, ResourceLimit> limits = {};  // by resource number
    Source user_at = {};                       // where a file says so, for an error
    Source at = {};                            // of the others
};

// The part that takes rights on the host: scheduling, and hard limits above this process' own. The process
// goes on with it.
Result<> raise_bounds(const Privileges& wanted);
// The part that gives rights up; afterwards nothing but the program is to follow. The variables HOME, USER
// and LOGNAME of another user are set in `environment`, unless they are there.
Result<> give_up_rights(const Privileges& wanted, std::map<std::string, std::string>& environment);

}  // namespace partd::kernel
