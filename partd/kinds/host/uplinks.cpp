// SPDX-License-Identifier: Apache-2.0
#include "kinds/host/uplinks.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/netlink/router_solicitation.h"
#include "kinds/link/kernel_kinds.h"
#include "kinds/marks.h"

#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace partd {

namespace {

std::string switch_of(const std::string& link, std::string_view name) {
    return "/proc/sys/net/ipv6/conf/" + link + "/" + std::string(name);
}

// Absent is success: a link may go any time.
Result<> write_if_there(const std::string& path, std::string_view value) {
    auto written = kernel::write_kernel_file(path, value);
    return written || written.error().code == ENOENT ? Result<>() : std::move(written);
}

// The names of links whose own switch of IPv4 forwarding is at that value (RTM_GETNETCONF), sorted: partd's
// own, or those of others.
Result<std::vector<std::string>> links_with_forwarding(kernel::Host& host, int value, bool own) {
    auto self = host.netns("");
    PARTD_TRY(self);
    kernel::NetlinkSocket& socket = (*self)->route();
    kernel::Message request(RTM_GETNETCONF, NLM_F_DUMP);
    request.head(netconfmsg{.ncm_family = AF_INET});
    std::vector<int> indexes;
    const auto look = [&](const kernel::Reply& reply) {
        const auto parameters = reply.attributes<netconfmsg>();
        const int index = parameters.number<int>(NETCONFA_IFINDEX).value_or(0);
        if (index > 0 && parameters.number<int>(NETCONFA_FORWARDING) == value) {
            indexes.push_back(index);
        }
    };
    auto dumped = socket.dump(std::move(request), [&] { indexes.clear(); }, look);
    PARTD_TRY(dumped);
    std::vector<std::string> names;
    for (const int index : indexes) {
        const auto link = kernel::get_link(socket, index);
        PARTD_TRY(link);
        if (*link && (*link)->name != "lo" && parse_link_mark((*link)->alias).has_value() == own) {
            names.push_back((*link)->name);
        }
    }
    std::ranges::sort(names);
    return names;
}

std::string value_of(const std::string& link, std::string_view name) {
    return std::string(trim(kernel::read_file(switch_of(link, name)).value_or("")));
}

bool may_lead_outside(const kernel::Link& link) {
    return link.name != "lo" && !parse_link_mark(link.alias) &&
           std::ranges::find(kInner, link.kind) == kInner.end();
}

}  // namespace

Result<std::vector<std::string>> deaf_uplinks(kernel::Host& host, bool forwarding) {
    auto self = host.netns("");
    PARTD_TRY(self);
    // The host's cached links may be incomplete: list them anew.
    auto links = kernel::list_links((*self)->route());
    PARTD_TRY(links);
    std::vector<std::string> deaf;
    for (const kernel::Link& link : *links) {
        if (may_lead_outside(link) && value_of(link.name, "accept_ra") == "1" &&
            (forwarding || value_of(link.name, "forwarding") == "0")) {
            deaf.push_back(link.name);
        }
    }
    std::ranges::sort(deaf);
    return deaf;
}

Result<> keep_learning(const std::vector<std::string>& links) {
    for (const std::string& link : links) {
        if (value_of(link, "accept_ra") != "1") {
            continue;
        }
        PARTD_TRY(write_if_there(switch_of(link, "accept_ra"), "2"));
        kernel::solicit_routers(link);
    }
    return {};
}

Result<std::vector<std::string>> stalled_links(kernel::Host& host) {
    return links_with_forwarding(host, 0, true);
}

Result<std::vector<std::string>> forwarding_links(kernel::Host& host) {
    return links_with_forwarding(host, 1, false);
}

Result<> let_forward(const std::vector<std::string>& links) {
    for (const std::string& link : links) {
        PARTD_TRY(write_if_there("/proc/sys/net/ipv4/conf/" + link + "/forwarding", "1"));
    }
    return {};
}

}  // namespace partd
