// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace partd::kernel {

// True if the process may change namespaces, links and mounts: CAP_SYS_ADMIN and CAP_NET_ADMIN are effective
// (capabilities(7)).
bool may_manage();

}  // namespace partd::kernel
