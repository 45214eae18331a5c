// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/link/interfaces.h"
#include "kinds/marks.h"
#include "kinds/namespace/netns.h"
#include "kinds/net/route.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

std::string way_text(const NextHop& way, bool weighted) {
    std::string text = way.via ? "via " + way.via->text() : "";
    if (way.dev) {
        text += fmt::format("{}dev {}", text.empty() ? "" : " ", *way.dev);
    }
    return weighted ? fmt::format("{} weight {}", text, way.weight) : text;
}

}  // namespace

std::string path_text(const std::vector<NextHop>& ways) {
    std::vector<std::string> texts;
    for (const NextHop& way : ways) {
        texts.push_back(way_text(way, ways.size() > 1));
    }
    std::ranges::sort(texts);  // the kernel has its own order
    return join(texts, "; ");
}

Key route_key(const Route& route) {
    std::string name = fmt::format("{} {}", route.netns, route.to.text());
    if (route.table_id->id != RT_TABLE_MAIN) {
        name += fmt::format(" table {}", table_text(route.table_id->id));
    }
    const std::int64_t usual = route.to.prefix->ip.v6() ? 1024 : 0;
    return {&kRoute.kind, *route.metric == usual ? name : fmt::format("{} metric {}", name, *route.metric)};
}

namespace {

// A namespace whose routes are read, and its interfaces.
struct Place {
    Observation& observation;
    const std::string& netns;
    const std::vector<kernel::Link>& links;
};

NextHop read_hop(const Place& place, int index, const kernel::Attributes& attributes, std::int64_t weight) {
    NextHop way{.via = attributes.ip(RTA_GATEWAY), .dev = {}, .weight = weight};
    if (const auto via = attributes.bytes(RTA_VIA); via.size() > 2) {
        way.via = Ip(via.subspan(2));  // behind the family
    }
    const auto link = std::ranges::find(place.links, index, &kernel::Link::index);
    if (link != place.links.end()) {
        way.dev = IfName(wanted_name(place.observation, *link).c_str());
    }
    return way;
}

std::vector<NextHop> read_hops(const Place& place, const kernel::Attributes& attributes) {
    std::vector<NextHop> ways;
    auto list = attributes.bytes(RTA_MULTIPATH);
    if (list.empty()) {
        const auto index = attributes.number<int>(RTA_OIF);
        if (index || attributes.has(RTA_GATEWAY)) {
            ways.push_back(read_hop(place, index.value_or(0), attributes, 1));
        }
    }
    while (list.size() >= sizeof(rtnexthop)) {
        rtnexthop hop{};
        std::memcpy(&hop, list.data(), sizeof hop);
        if (hop.rtnh_len < sizeof hop || hop.rtnh_len > list.size()) {
            break;
        }
        const kernel::Attributes inner(list.subspan(sizeof hop, hop.rtnh_len - sizeof hop));
        ways.push_back(read_hop(place, hop.rtnh_ifindex, inner, hop.rtnh_hops + 1));
        list = list.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), list.size()));
    }
    return ways;
}

Route read_route(const Place& place, const kernel::Reply& reply) {
    const auto head = reply.head<rtmsg>();
    const auto attributes = reply.attributes<rtmsg>();
    const bool v6 = head.rtm_family == AF_INET6;
    Route route{.netns = place.netns,
                .src = attributes.ip(RTA_PREFSRC),
                .scope = static_cast<RouteScope>(head.rtm_scope),
                .type = static_cast<RouteType>(head.rtm_type)};
    route.to.prefix = Prefix{attributes.ip(RTA_DST).value_or(Ip::any(v6)), head.rtm_dst_len};
    route.metric = attributes.number<std::uint32_t>(RTA_PRIORITY).value_or(0);
    route.table_id = RouteTable{attributes.number<std::uint32_t>(RTA_TABLE).value_or(head.rtm_table)};
    if (const auto mtu = attributes.nested(RTA_METRICS).number<std::uint32_t>(RTAX_MTU)) {
        route.mtu = *mtu;
    }
    if (v6) {
        route.scope.reset();  // the kernel says global of all of them
    }
    if (route.type == RouteType::Unicast) {
        route.nexthop = read_hops(place, attributes);
    }
    route.path = path_text(route.nexthop);
    route.protocol = head.rtm_protocol;
    route.mark = protocol_text(head.rtm_protocol);
    return route;
}

// The kernel's own, of an interface's network, is the wanted one where that says no more than it does. Its
// source is the address that it was made of.
void adopt_kernels(Route& found, const Resource* wanted) {
    if (wanted == nullptr || found.protocol != RTPROT_KERNEL ||
        wanted->spec.as<Route>().protocol != RTPROT_KERNEL) {
        return;
    }
    found.mark = std::string(kMarked);
    if (!wanted->spec.as<Route>().src) {
        found.src.reset();
    }
}

// In a partition's namespace what has a wanted name is the wanted route, whoever put it there.
void take(const Place& place, const kernel::Reply& reply) {
    Observation& observation = place.observation;
    const auto head = reply.head<rtmsg>();
    const bool ours = head.rtm_protocol == kProtocolMark;
    if ((head.rtm_flags & RTM_F_CLONED) != 0 || (head.rtm_family != AF_INET && head.rtm_family != AF_INET6)) {
        return;
    }
    Route route = read_route(place, reply);
    const Key key = route_key(route);
    const Resource* wanted = observation.desired.find(key);
    Resource* seen = observation.observed.find(key);
    if ((!ours && wanted == nullptr) || (seen != nullptr && !ours)) {
        return;
    }
    if (seen != nullptr && !seen->marked) {
        Route before = seen->spec.as<Route>();
        before.shadows = before.protocol != kProtocolMark;
        seen->spec = Spec(std::move(before));
        return;
    }
    Resource resource{.key = key, .owner = place.netns, .marked = ours};
    resource.depends_on = resource.contained_in = {netns_key(place.netns)};
    if (wanted != nullptr) {
        resource.depends_on = wanted->depends_on;
        resource.contained_in = wanted->contained_in;
    }
    adopt_kernels(route, wanted);
    resource.spec = Spec(std::move(route));
    if (wanted != nullptr) {
        observation.observed.add(std::move(resource));
    } else {
        observation.add(std::move(resource));
    }
}

}  // namespace

Result<> observe_routes(Observation& observation) {
    for (const std::string& name : observation.netns) {
        auto told = observation.told(name);
        PARTD_TRY(told);
        const auto links = observation.host.links(name);
        PARTD_TRY(links);
        const auto found = std::exchange((*told)->routes, {});  // nobody else asks for them
        for (const auto& reply : found) {
            take({observation, name, **links}, reply.view());
        }
    }
    return {};
}

}  // namespace partd
