// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/own_routes.h"

#include "base/text.h"
#include "kinds/link/interfaces.h"
#include "kinds/marks.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <set>

namespace partd {

namespace {

using kernel::Addressed;
using kernel::Assigned;
using kernel::Link;
using kernel::OwnRoute;

constexpr int kLoopback = 1;  // LOOPBACK_IFINDEX

// Ours, or the kernel's own: IFAPROT_KERNEL_LO and _LL in if_addr.h, which older kernels do not tell.
bool is_tended(const Assigned& assigned) {
    constexpr std::uint8_t kLo = 1;
    constexpr std::uint8_t kLinkLocal = 3;
    return assigned.protocol == kProtocolMark || assigned.protocol == kLo ||
           assigned.protocol == kLinkLocal ||
           (assigned.protocol == 0 && (assigned.address.ip.is_loopback() ||
                                       (assigned.address.ip.v6() && assigned.address.ip.is_link_local())));
}

struct Missing {
    Assigned address;
    OwnRoute route;
};

std::vector<Missing> missing_on(const Link& link, const Addressed& on_link) {
    std::vector<Missing> all;
    std::set<std::string> told;
    const kernel::RouteHome home = route_home(link);
    for (const Assigned& assigned : on_link.addresses) {
        if (!is_tended(assigned)) {
            continue;
        }
        for (const OwnRoute& route : kernel::missing_routes(link, home, on_link, assigned)) {
            if (told.insert(route.text()).second) {
                all.push_back({assigned, route});
            }
        }
    }
    return all;
}

std::vector<Address> missing_loopback(const Link& lo, const Addressed& on_link) {
    std::vector<Address> missing;
    for (const Address& own : {loopback4(), loopback6()}) {
        const bool on = lo.up && (!own.ip.v6() || lo.ipv6);
        if (on && std::ranges::find(on_link.addresses, own, &Assigned::address) == on_link.addresses.end()) {
            missing.push_back(own);
        }
    }
    return missing;
}

const Addressed& on_link(const kernel::AddressedLinks& links, int index) {
    static const Addressed kNothing;
    const auto found = links.find(index);
    return found == links.end() ? kNothing : found->second;
}

std::string told(std::vector<std::string> missing) {
    return missing.empty() ? std::string(kAllRoutes) : "without " + join(missing, ", ");
}

// Takes away what stands in the place of such a route: inside a partition that is nobody else's.
void clear_place(const OwnRoute& route, const std::vector<kernel::StoredReply>& routes,
                 std::vector<kernel::Message>& messages) {
    for (const kernel::StoredReply& reply : routes) {
        auto head = reply.view().head<rtmsg>();
        const auto attributes = reply.view().attributes<rtmsg>();
        const auto metric = attributes.number<std::uint32_t>(RTA_PRIORITY).value_or(0);
        const auto table = attributes.number<std::uint32_t>(RTA_TABLE).value_or(head.rtm_table);
        const bool others = head.rtm_protocol != RTPROT_KERNEL && head.rtm_protocol != kProtocolMark;
        if (!others || attributes.ip(RTA_DST) != route.to.ip || head.rtm_dst_len != route.to.length ||
            table != route.table || metric != route.metric()) {
            continue;
        }
        kernel::Message message(RTM_DELROUTE, 0);
        head.rtm_flags = 0;
        message.head(head).ip(RTA_DST, route.to.ip).number<std::uint32_t>(RTA_TABLE, table);
        if (metric != 0) {
            message.number<std::uint32_t>(RTA_PRIORITY, metric);
        }
        messages.push_back(std::move(message));
    }
}

// The kernel's present routes: the observation may be out of date.
struct Now {
    kernel::NetlinkSocket* socket;
    std::vector<kernel::StoredReply> routes;
    kernel::AddressedLinks links;
};

Result<Now> look_now(ApplyContext& context, const std::string& name, int index) {
    auto netns = context.host.netns(name);
    PARTD_TRY(netns);
    kernel::NetlinkSocket& socket = (*netns)->route();
    auto addresses = kernel::list_addresses(socket, index);
    PARTD_TRY(addresses);
    // Inside, those of other interfaces and without any as well.
    auto routes = kernel::list_routes(socket, name.empty() ? index : 0, !name.empty());
    PARTD_TRY(routes);
    Now now{&socket, std::move(*routes), {}};
    now.links = kernel::by_link(*addresses, now.routes, kProtocolMark);
    return now;
}

void send(ApplyContext& context, kernel::NetlinkSocket& socket, std::vector<kernel::Message> messages,
          std::size_t number) {
    for (kernel::Message& message : messages) {
        context.batch.netlink(socket, std::move(message), number);
    }
}

}  // namespace

Result<std::string> own_routes(Observation& observation, const std::string& netns, const Link& link) {
    const auto told_of = observation.told(netns, netns.empty() && !observation.scope.all ? link.index : 0);
    PARTD_TRY(told_of);
    std::vector<std::string> missing;
    for (const Missing& each : missing_on(link, on_link((*told_of)->links, link.index))) {
        missing.push_back(each.route.text());
    }
    return told(std::move(missing));
}

Result<> put_back_routes(ApplyContext& context, const std::string& netns, const Link& link,
                         std::size_t number) {
    auto now = look_now(context, netns, link.index);
    PARTD_TRY(now);
    std::vector<kernel::Message> messages;
    for (const Missing& each : missing_on(link, on_link(now->links, link.index))) {
        if (!netns.empty()) {
            clear_place(each.route, now->routes, messages);
        }
        kernel::put_back(link.index, each.address, each.route, messages);
    }
    send(context, *now->socket, std::move(messages), number);
    return {};
}

const Address& loopback4() {
    static const Address kOwn = *Address::parse("127.0.0.1/8");
    return kOwn;
}

const Address& loopback6() {
    static const Address kOwn = *Address::parse("::1/128");
    return kOwn;
}

Result<std::string> own_loopback(Observation& observation, const std::string& netns, const Link& lo) {
    const auto told_of = observation.told(netns);
    PARTD_TRY(told_of);
    const Addressed& on_lo = on_link((*told_of)->links, kLoopback);
    std::vector<std::string> missing;
    for (const Address& address : missing_loopback(lo, on_lo)) {
        missing.push_back(address.text());
    }
    for (const Missing& each : missing_on(lo, on_lo)) {
        missing.push_back(each.route.text());
    }
    return told(std::move(missing));
}

Result<> put_back_loopback(ApplyContext& context, const std::string& netns, std::size_t number) {
    const auto links = context.host.links(netns);
    PARTD_TRY(links);
    const auto lo = std::ranges::find(**links, kLoopback, &Link::index);
    auto now = look_now(context, netns, kLoopback);
    PARTD_TRY(now);
    if (lo == (*links)->end()) {
        return {};
    }
    for (const Address& address : missing_loopback(*lo, on_link(now->links, kLoopback))) {
        kernel::Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
        message.head(ifaddrmsg{.ifa_family = address.ip.family(),
                               .ifa_prefixlen = address.length,
                               .ifa_flags = 0,
                               .ifa_scope = RT_SCOPE_HOST,
                               .ifa_index = kLoopback});
        message.ip(IFA_LOCAL, address.ip).ip(IFA_ADDRESS, address.ip);
        if (address.ip.v6()) {
            message.number<std::uint32_t>(IFA_FLAGS, IFA_F_NOPREFIXROUTE);  // as the kernel has ::1
        }
        context.batch.netlink(*now->socket, std::move(message), number);
    }
    return put_back_routes(context, netns, *lo, number);
}

}  // namespace partd
