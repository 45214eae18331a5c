// SPDX-License-Identifier: Apache-2.0
#include "kernel/tunnel/path_mtu.h"

#include "kernel/netlink/links.h"

#include <linux/rtnetlink.h>

namespace partd::kernel {

std::optional<std::int64_t> path_mtu(NetlinkSocket& routes, const Ip& address, std::uint32_t mark) {
    Message request(RTM_GETROUTE, 0);
    rtmsg head{};
    head.rtm_family = address.family();
    head.rtm_dst_len = address.bits();
    request.head(head).ip(RTA_DST, address);
    if (mark != 0) {
        request.number<std::uint32_t>(RTA_MARK, mark);
    }
    std::optional<std::uint32_t> own;
    std::optional<std::uint32_t> out;
    // No way is not an error here.
    (void)routes.request(std::move(request), [&](const Reply& reply) {
        const auto route = reply.attributes<rtmsg>();
        own = route.nested(RTA_METRICS).number<std::uint32_t>(RTAX_MTU);
        out = route.number<std::uint32_t>(RTA_OIF);
    });
    if (own && *own != 0) {
        return *own;
    }
    const auto link = out ? get_link(routes, static_cast<int>(*out)) : Result<std::optional<Link>>();
    return link && *link ? std::optional((*link)->mtu) : std::nullopt;
}

}  // namespace partd::kernel
