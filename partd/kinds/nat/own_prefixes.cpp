// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/own_prefixes.h"

namespace partd::nat {

std::vector<OwnPrefix> own_prefixes(const std::map<std::string, std::vector<Interface>>& interfaces,
                                    const std::string& partition) {
    std::vector<OwnPrefix> to_host;
    std::vector<OwnPrefix> all;
    const auto found = interfaces.find(partition);
    for (const Interface& interface : found == interfaces.end() ? std::vector<Interface>() : found->second) {
        for (const auto& address : interface.addresses) {
            if (!interface.link || address.value.ip.is_link_local()) {
                continue;
            }
            const OwnPrefix own{address.value.prefix(), interface.host_end.value_or("")};
            all.push_back(own);
            if (interface.host_end) {
                to_host.push_back(own);
            }
        }
    }
    return to_host.empty() ? all : to_host;
}

}  // namespace partd::nat
