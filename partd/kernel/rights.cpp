// SPDX-License-Identifier: Apache-2.0
#include "kernel/rights.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace partd::kernel {

bool may_manage() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (syscall(SYS_capget, &header, sets.data()) != 0) {
        return false;
    }
    constexpr unsigned kNeeded = 1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN;
    return (sets[0].effective & kNeeded) == kNeeded;
}

}  // namespace partd::kernel
