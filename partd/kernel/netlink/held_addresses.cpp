// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/held_addresses.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

namespace partd::kernel {

Result<std::vector<HeldAddress>> held_addresses(NetlinkSocket& routes) {
    Message request(RTM_GETADDR, NLM_F_DUMP);
    request.head(ifaddrmsg{});
    std::vector<HeldAddress> all;
    const auto take = [&](const Reply& reply) {
        const auto attributes = reply.attributes<ifaddrmsg>();
        const auto local = attributes.ip(IFA_LOCAL);
        if (const auto ip = local ? local : attributes.ip(IFA_ADDRESS)) {
            all.push_back({*ip, static_cast<int>(reply.head<ifaddrmsg>().ifa_index)});
        }
    };
    PARTD_TRY(routes.dump(std::move(request), [&] { all.clear(); }, take));
    return all;
}

bool is_local(NetlinkSocket& routes, const Ip& address) {
    Message request(RTM_GETROUTE, 0);
    rtmsg head{};
    head.rtm_family = address.family();
    head.rtm_dst_len = address.bits();
    request.head(head).ip(RTA_DST, address);
    bool local = false;
    // A missing route is not an error here.
    (void)routes.request(std::move(request),
                         [&](const Reply& reply) { local = reply.head<rtmsg>().rtm_type == RTN_LOCAL; });
    return local;
}

}  // namespace partd::kernel
