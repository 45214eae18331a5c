// SPDX-License-Identifier: Apache-2.0
#include "kinds/marks.h"
#include "kinds/net/route.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Message;

Result<int> index_of(ApplyContext& context, const std::string& netns, const NextHop& way) {
    const kernel::Link* link = way.dev ? context.host.find_link(netns, *way.dev) : nullptr;
    if (link == nullptr) {
        return fail(ENODEV, fmt::format("find the link {}", way.dev.value_or(IfName("?"))));
    }
    return link->index;
}

Result<> add_way(ApplyContext& context, const Route& route, Message& message) {
    auto index = index_of(context, route.netns, route.nexthop[0]);
    PARTD_TRY(index);
    if (route.nexthop[0].via) {
        message.ip(RTA_GATEWAY, *route.nexthop[0].via);
    }
    message.number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(*index));
    return {};
}

Result<> add_ways(ApplyContext& context, const Route& route, Message& message) {
    const auto list = message.open(RTA_MULTIPATH);
    for (const NextHop& way : route.nexthop) {
        auto index = index_of(context, route.netns, way);
        PARTD_TRY(index);
        // A rtnexthop counts the attributes behind it; one address is all there is.
        const std::size_t gateway = way.via ? RTA_LENGTH(way.via->bytes().size()) : 0;
        message.head(rtnexthop{.rtnh_len = static_cast<std::uint16_t>(sizeof(rtnexthop) + gateway),
                               .rtnh_flags = 0,
                               .rtnh_hops = static_cast<std::uint8_t>(way.weight - 1),
                               .rtnh_ifindex = *index});
        if (way.via) {
            message.ip(RTA_GATEWAY, *way.via);
        }
    }
    message.close(list);
    return {};
}

rtmsg header(const Route& route) {
    const Prefix& to = *route.to.prefix;
    rtmsg head{};
    head.rtm_family = to.ip.family();
    head.rtm_dst_len = to.length;
    head.rtm_table = route.table_id->id < 256 ? static_cast<std::uint8_t>(route.table_id->id)
                                              : std::uint8_t{RT_TABLE_COMPAT};
    head.rtm_protocol = route.protocol;
    head.rtm_scope = static_cast<std::uint8_t>(route.scope.value_or(RouteScope::Global));
    head.rtm_type = static_cast<std::uint8_t>(route.type);
    return head;
}

void add_destination(Message& message, const Route& route) {
    if (route.to.prefix->length > 0) {
        message.ip(RTA_DST, route.to.prefix->ip);
    }
    message.number<std::uint32_t>(RTA_TABLE, route.table_id->id);
    if (*route.metric != 0) {
        message.number<std::uint32_t>(RTA_PRIORITY, static_cast<std::uint32_t>(*route.metric));
    }
}

Result<Message> set_request(ApplyContext& context, const Route& route, bool exists) {
    Message message(RTM_NEWROUTE,
                    static_cast<std::uint16_t>(NLM_F_CREATE | (exists ? NLM_F_REPLACE : NLM_F_EXCL)));
    message.head(header(route));
    add_destination(message, route);
    if (route.src) {
        message.ip(RTA_PREFSRC, *route.src);
    }
    if (route.mtu) {
        const auto metrics = message.open(RTA_METRICS);
        message.number<std::uint32_t>(RTAX_MTU, static_cast<std::uint32_t>(*route.mtu));
        message.close(metrics);
    }
    if (route.nexthop.size() == 1) {
        PARTD_TRY(add_way(context, route, message));
    } else if (!route.nexthop.empty()) {
        PARTD_TRY(add_ways(context, route, message));
    }
    return message;
}

Message remove_request(const Route& route) {
    Message message(RTM_DELROUTE, 0);
    rtmsg head = header(route);
    head.rtm_scope = RT_SCOPE_NOWHERE;  // any
    message.head(head);
    add_destination(message, route);
    return message;
}

}  // namespace

Result<> apply_route(ApplyContext& context, const Change& change, std::size_t number) {
    const bool removal = change.action == Action::Remove;
    const Route& route = (removal ? change.found : change.wanted).as<Route>();
    auto netns = context.host.netns(route.netns);
    PARTD_TRY(netns);
    if (removal) {
        context.batch.netlink((*netns)->route(), remove_request(route), number);
        return {};
    }
    auto message = set_request(context, route, change.action == Action::Update);
    PARTD_TRY(message);
    if (change.action == Action::Update && change.found.as<Route>().shadows) {
        context.batch.netlink((*netns)->route(), remove_request(change.found.as<Route>()), number);
    }
    context.batch.netlink((*netns)->route(), std::move(*message), number);
    return {};
}

}  // namespace partd
