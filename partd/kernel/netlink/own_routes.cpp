// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/own_routes.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <tuple>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr std::uint16_t kIfaProto = 11;  // IFA_PROTO is younger (Linux 5.18) than some headers
constexpr std::uint8_t kLongest4 = 32;
constexpr std::uint8_t kShortestWithoutBroadcast = 31;  // RFC 3021

// ff00::/8, to which an interface sends its questions for neighbours.
Prefix multicast6() {
    return *Prefix::parse("ff00::/8");
}

// An interface that is the host itself.
bool is_loopback(const Link& link) {
    return link.name == "lo" || link.index == 1;
}

Ip broadcast_of(const Prefix& network) {
    std::array<std::uint8_t, 4> bytes{};
    std::ranges::copy(network.ip.bytes(), bytes.begin());
    for (unsigned bit = network.length; bit < kLongest4; ++bit) {
        bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
    }
    return Ip(bytes);
}

// As fib_add_ifaddr() makes them, in its order: a route's source must be an address of the host's by then.
std::vector<OwnRoute> routes4(const Link& link, const Addressed& on_link, const Assigned& assigned) {
    const Prefix network = assigned.address.prefix();
    const bool secondary = (assigned.flags & IFA_F_SECONDARY) != 0;
    const auto is_primary = [&](const Assigned& other) {
        return !other.address.ip.v6() && other.address.prefix() == network &&
               (other.flags & IFA_F_SECONDARY) == 0;
    };
    const auto primary = std::ranges::find_if(on_link.addresses, is_primary);
    const Ip src =
        secondary && primary != on_link.addresses.end() ? primary->address.ip : assigned.address.ip;
    std::vector<OwnRoute> all = {{{assigned.address.ip, kLongest4}, RT_TABLE_LOCAL, RTN_LOCAL, src}};
    const bool zero = network.ip.bytes()[0] == 0;
    if (secondary || zero || network.length == kLongest4) {
        return all;
    }
    if ((assigned.flags & IFA_F_NOPREFIXROUTE) == 0) {
        all.push_back(is_loopback(link) ? OwnRoute{network, RT_TABLE_LOCAL, RTN_LOCAL, src}
                                        : OwnRoute{network, RT_TABLE_MAIN, RTN_UNICAST, src});
    }
    if (network.length < kShortestWithoutBroadcast) {
        all.push_back({{broadcast_of(network), kLongest4}, RT_TABLE_LOCAL, RTN_BROADCAST, src});
    }
    return all;
}

std::vector<OwnRoute> routes6(const Link& link, const Assigned& assigned) {
    const bool probed = (assigned.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
    const bool known = assigned.address.ip.is_loopback();  // ::1 has no network
    std::vector<OwnRoute> all;
    if (probed) {
        all.push_back({{assigned.address.ip, assigned.address.ip.bits()}, RT_TABLE_LOCAL, RTN_LOCAL});
    }
    if (!known && (assigned.flags & IFA_F_NOPREFIXROUTE) == 0) {
        all.push_back({assigned.address.prefix(), RT_TABLE_MAIN, RTN_UNICAST});
    }
    if (!is_loopback(link)) {
        all.push_back({multicast6(), RT_TABLE_LOCAL, RTN_MULTICAST});
    }
    return all;
}

Message dump_request(int family, int index, bool all) {
    Message request(RTM_GETROUTE, NLM_F_DUMP);
    rtmsg head{};
    head.rtm_family = static_cast<std::uint8_t>(family);
    head.rtm_protocol = all ? RTPROT_UNSPEC : RTPROT_KERNEL;
    request.head(head);
    if (index != 0) {
        request.number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(index));
    }
    return request;
}

// The interface went meanwhile: it has nothing.
Result<std::vector<StoredReply>> listed(Result<std::vector<StoredReply>> found) {
    return !found && found.error().code == ENODEV ? std::vector<StoredReply>() : std::move(found);
}

// Older kernels (before 4.20) have it as unicast.
bool is_kind(const OwnRoute& wanted, const OwnRoute& found) {
    return wanted.to == found.to && wanted.table == found.table &&
           (wanted.type == found.type || wanted.type == RTN_MULTICAST) &&
           (!wanted.src || wanted.src == found.src);
}

Message address_request(std::uint16_t type, std::uint16_t flags, int index, const Assigned& assigned) {
    const Ip& ip = assigned.address.ip;
    Message message(type, flags);
    message.head(ifaddrmsg{.ifa_family = ip.family(),
                           .ifa_prefixlen = assigned.address.length,
                           .ifa_flags = 0,
                           .ifa_scope = 0,
                           .ifa_index = static_cast<std::uint32_t>(index)});
    message.ip(IFA_LOCAL, ip).ip(IFA_ADDRESS, ip);
    return message;
}

}  // namespace

std::uint32_t OwnRoute::metric() const {
    constexpr std::uint32_t kOfPrefix6 = 256;  // IP6_RT_PRIO_ADDRCONF
    return to.ip.v6() && type != RTN_LOCAL ? kOfPrefix6 : 0;
}

std::string OwnRoute::text() const {
    const bool whole = to.length == to.ip.bits();
    return (type == RTN_LOCAL       ? "local "
            : type == RTN_BROADCAST ? "broadcast "
            : type == RTN_MULTICAST ? "multicast "
                                    : "") +
           (whole ? to.ip.text() : to.text());
}

Assigned parse_assigned(const Reply& reply) {
    const auto head = reply.head<ifaddrmsg>();
    const auto attributes = reply.attributes<ifaddrmsg>();
    const auto local = attributes.ip(IFA_LOCAL);
    const auto address = attributes.ip(IFA_ADDRESS);
    return {.address = {local ? *local : address.value_or(Ip()), head.ifa_prefixlen},
            .flags = attributes.number<std::uint32_t>(IFA_FLAGS).value_or(head.ifa_flags),
            .protocol = attributes.number<std::uint8_t>(kIfaProto).value_or(0),
            .to_peer = local && address && *local != *address};
}

Result<std::vector<StoredReply>> list_addresses(NetlinkSocket& socket, int index) {
    Message request(RTM_GETADDR, NLM_F_DUMP);
    ifaddrmsg head{};
    head.ifa_index = static_cast<std::uint32_t>(index);
    request.head(head);
    return listed(socket.collect(std::move(request)));
}

Result<std::vector<StoredReply>> list_routes(NetlinkSocket& socket, int index, bool all) {
    std::vector<StoredReply> routes;
    for (const int family : {AF_INET, AF_INET6}) {
        auto found = listed(socket.collect(dump_request(family, index, all)));
        PARTD_TRY(found);
        std::ranges::move(*found, std::back_inserter(routes));
    }
    return routes;
}

AddressedLinks by_link(const std::vector<StoredReply>& addresses, const std::vector<StoredReply>& routes,
                       std::uint8_t own_protocol) {
    AddressedLinks all;
    for (const StoredReply& reply : addresses) {
        const auto index = static_cast<int>(reply.view().head<ifaddrmsg>().ifa_index);
        all[index].addresses.push_back(parse_assigned(reply.view()));
    }
    std::set<std::tuple<std::uint32_t, Prefix, std::uint32_t>> hidden;
    for (const StoredReply& reply : routes) {
        const auto head = reply.view().head<rtmsg>();
        const auto attributes = reply.view().attributes<rtmsg>();
        const bool v6 = head.rtm_family == AF_INET6;
        OwnRoute route{.to = {attributes.ip(RTA_DST).value_or(Ip::any(v6)), head.rtm_dst_len},
                       .table = attributes.number<std::uint32_t>(RTA_TABLE).value_or(head.rtm_table),
                       .type = head.rtm_type,
                       .src = v6 ? std::nullopt : attributes.ip(RTA_PREFSRC)};
        const auto metric = attributes.number<std::uint32_t>(RTA_PRIORITY).value_or(0);
        const auto place = std::tuple(route.table, route.to, metric);
        // Of IPv6 the caller's own one leaves no room for the kernel's.
        const bool stands = head.rtm_protocol == RTPROT_KERNEL || (v6 && head.rtm_protocol == own_protocol);
        if (stands && !hidden.contains(place)) {
            all[attributes.number<int>(RTA_OIF).value_or(0)].routes.push_back(route);
        } else if (!v6 && head.rtm_protocol != own_protocol) {
            hidden.insert(place);
        }
    }
    return all;
}

std::vector<OwnRoute> missing_routes(const Link& link, const RouteHome& home, const Addressed& on_link,
                                     const Assigned& address) {
    const bool v6 = address.address.ip.v6();
    std::vector<OwnRoute> missing;
    if (!link.up || address.to_peer || (v6 && !link.running)) {
        return missing;
    }
    for (OwnRoute& route : v6 ? routes6(link, address) : routes4(link, on_link, address)) {
        if (home.whole_table && route.type == RTN_MULTICAST) {
            continue;
        }
        route.table = home.table == 0 ? route.table : home.table;
        const auto is_it = [&](const OwnRoute& found) { return is_kind(route, found); };
        if (std::ranges::none_of(on_link.routes, is_it)) {
            missing.push_back(route);
        }
    }
    // The kernel makes the route to an IPv6 address itself a moment after the address. That of ff00::/8 is
    // older: who took that, took the others too.
    if (v6 && std::ranges::find(missing, RTN_MULTICAST, &OwnRoute::type) == missing.end()) {
        std::erase_if(missing, [](const OwnRoute& route) { return route.type == RTN_LOCAL; });
    }
    return missing;
}

void put_back(int index, const Assigned& address, const OwnRoute& route, std::vector<Message>& messages) {
    if (route.to.ip.v6() && route.type == RTN_LOCAL) {
        // This one alone is kept by its address, and can be had with it only.
        Message added = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
        added.number<std::uint8_t>(kIfaProto, address.protocol);
        // The kernel gives ::1 no network.
        const unsigned own = address.address.ip.is_loopback() ? unsigned{IFA_F_NOPREFIXROUTE} : 0U;
        added.number<std::uint32_t>(IFA_FLAGS, own | (address.flags & (IFA_F_NODAD | IFA_F_NOPREFIXROUTE)));
        messages.push_back(address_request(RTM_DELADDR, 0, index, address));
        messages.push_back(std::move(added));
        return;
    }
    // As the kernel adds it: beside what others have for this destination.
    Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
    rtmsg head{};
    head.rtm_family = route.to.ip.family();
    head.rtm_dst_len = route.to.length;
    head.rtm_table = static_cast<std::uint8_t>(route.table);
    head.rtm_protocol = RTPROT_KERNEL;
    head.rtm_scope = route.to.ip.v6()          ? RT_SCOPE_UNIVERSE
                     : route.type == RTN_LOCAL ? RT_SCOPE_HOST
                                               : RT_SCOPE_LINK;
    head.rtm_type = route.type;
    message.head(head);
    message.ip(RTA_DST, route.to.ip);
    message.number<std::uint32_t>(RTA_TABLE, route.table);
    message.number<std::uint32_t>(RTA_OIF, static_cast<std::uint32_t>(index));
    if (route.src) {
        message.ip(RTA_PREFSRC, *route.src);
    }
    if (route.metric() != 0) {
        message.number<std::uint32_t>(RTA_PRIORITY, route.metric());
    }
    messages.push_back(std::move(message));
}

}  // namespace partd::kernel
