// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/links.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace partd::kernel {

namespace {

// IFLA_PROP_LIST holds any number of attributes of one type, which Attributes would fold into one.
std::vector<std::string> parse_altnames(std::span<const std::uint8_t> list) {
    std::vector<std::string> names;
    for (const auto raw : elements_of(list, IFLA_ALT_IFNAME)) {
        names.emplace_back(raw.begin(), std::ranges::find(raw, 0));
    }
    return names;
}

// One of the switches of a link, which stand side by side (IFLA_INET_CONF, IFLA_INET6_CONF). Where a family
// is off there are none.
bool is_on(std::span<const std::uint8_t> switches, std::size_t index) {
    std::int32_t value = 0;
    if ((index + 1) * sizeof value > switches.size()) {
        return false;
    }
    std::memcpy(&value, switches.data() + index * sizeof value, sizeof value);
    return value > 0;
}

bool is_trusting(const Attributes& families) {
    const auto v4 = families.nested(AF_INET).bytes(IFLA_INET_CONF);
    const auto v6 = families.nested(AF_INET6).bytes(IFLA_INET6_CONF);
    // IPv4's are counted from 1.
    return is_on(v4, IPV4_DEVCONF_ACCEPT_REDIRECTS - 1) || is_on(v4, IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE - 1) ||
           is_on(v6, DEVCONF_ACCEPT_RA) || is_on(v6, DEVCONF_ACCEPT_REDIRECTS);
}

// The kernel tells nothing of IPv6 where it has none for the link.
bool has_ipv6(const Attributes& families) {
    const auto switches = families.nested(AF_INET6).bytes(IFLA_INET6_CONF);
    return !switches.empty() && !is_on(switches, DEVCONF_DISABLE_IPV6);
}

constexpr std::size_t kNameSize = 16;  // IFNAMSIZ

Result<std::optional<Link>> get(NetlinkSocket& socket, Message request) {
    request.number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    std::optional<Link> link;
    auto asked = socket.request(std::move(request), [&](const Reply& reply) { link = parse_link(reply); });
    if (!asked && asked.error().code != ENODEV) {
        return std::unexpected(asked.error());
    }
    return link;
}

}  // namespace

Link parse_link(const Reply& reply) {
    const auto head = reply.head<ifinfomsg>();
    const auto attributes = reply.attributes<ifinfomsg>();
    Link link{.index = head.ifi_index,
              .name = attributes.text(IFLA_IFNAME),
              .kind = attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND),
              .alias = attributes.text(IFLA_IFALIAS),
              .altnames = parse_altnames(attributes.bytes(IFLA_PROP_LIST)),
              .mac = {},
              .mtu = attributes.number<std::uint32_t>(IFLA_MTU).value_or(0),
              .up = (head.ifi_flags & IFF_UP) != 0,
              .running = (head.ifi_flags & IFF_RUNNING) != 0,
              .ipv6 = has_ipv6(attributes.nested(IFLA_AF_SPEC)),
              .leads_out = attributes.has(IFLA_LINK_NETNSID),
              .peer_index = attributes.number<int>(IFLA_LINK).value_or(0),
              .master = attributes.number<int>(IFLA_MASTER).value_or(0),
              .trusting = is_trusting(attributes.nested(IFLA_AF_SPEC)),
              .probing = is_on(attributes.nested(IFLA_AF_SPEC).nested(AF_INET6).bytes(IFLA_INET6_CONF),
                               DEVCONF_ACCEPT_DAD)};
    const auto info = attributes.nested(IFLA_LINKINFO).bytes(IFLA_INFO_DATA);
    link.info.assign(info.begin(), info.end());
    if (link.master != 0) {
        const auto of_port = attributes.nested(IFLA_LINKINFO);
        link.port_kind = of_port.text(IFLA_INFO_SLAVE_KIND);
        const auto told = of_port.bytes(IFLA_INFO_SLAVE_DATA);
        link.port_info.assign(told.begin(), told.end());
    }
    if (const auto raw = attributes.bytes(IFLA_ADDRESS); raw.size() == 6) {
        std::ranges::copy(raw, link.mac.emplace().bytes.begin());
    }
    return link;
}

Result<std::vector<Link>> list_links(NetlinkSocket& socket) {
    std::vector<Link> links;
    Message request(RTM_GETLINK, NLM_F_DUMP);
    request.head(ifinfomsg{}).number<std::uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    auto done = socket.dump(
        std::move(request), [&] { links.clear(); },
        [&](const Reply& reply) { links.push_back(parse_link(reply)); });
    PARTD_TRY(done);
    return links;
}

Result<Traffic> count_traffic(NetlinkSocket& socket) {
    Traffic all;
    Message request(RTM_GETLINK, NLM_F_DUMP);
    request.head(ifinfomsg{});
    auto done = socket.dump(
        std::move(request), [&] { all = {}; },
        [&](const Reply& reply) {
            const auto counted = reply.attributes<ifinfomsg>().number<rtnl_link_stats64>(IFLA_STATS64);
            if (counted && (reply.head<ifinfomsg>().ifi_flags & IFF_LOOPBACK) == 0) {
                all.received += counted->rx_bytes;
                all.sent += counted->tx_bytes;
            }
        });
    PARTD_TRY(done);
    return all;
}

Result<std::optional<Link>> get_link(NetlinkSocket& socket, const std::string& name) {
    Message request(RTM_GETLINK, 0);
    request.head(ifinfomsg{}).text(name.size() < kNameSize ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
    return get(socket, std::move(request));
}

Result<std::optional<Link>> get_link(NetlinkSocket& socket, int index) {
    ifinfomsg head{};
    head.ifi_index = index;
    Message request(RTM_GETLINK, 0);
    request.head(head);
    return get(socket, std::move(request));
}

std::optional<int> namespace_id(NetlinkSocket& socket, int netns) {
    const auto message = [&](std::uint16_t type, std::uint16_t flags) {
        Message request(type, flags);
        request.head(rtgenmsg{}).number<std::int32_t>(NETNSA_FD, netns);
        return request;
    };
    const auto ask = [&]() -> std::optional<int> {
        std::optional<std::int32_t> id;
        (void)socket.request(message(RTM_GETNSID, 0), [&](const Reply& reply) {
            id = reply.attributes<rtgenmsg>().number<std::int32_t>(NETNSA_NSID);
        });
        return id && *id >= 0 ? id : std::nullopt;
    };
    if (const auto id = ask()) {
        return id;
    }
    Message request = message(RTM_NEWNSID, 0);
    request.number<std::int32_t>(NETNSA_NSID, -1);
    std::array messages = {std::move(request)};
    (void)socket.send(messages);
    return ask();
}

}  // namespace partd::kernel
