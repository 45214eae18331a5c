// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/trust.h"

#include "kernel/file/files.h"
#include "kinds/sysctl/sysctl.h"
#include "kinds/sysctl/text.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <vector>

namespace partd {

namespace {

constexpr std::array<std::string_view, 2> kOfIpv6 = {"accept_ra", "accept_redirects"};
constexpr std::array<std::string_view, 2> kProbing = {"accept_dad", "dad_transmits"};
constexpr std::array<std::string_view, 3> kAll = {"accept_ra", "accept_redirects", "accept_source_route"};

bool is_declared(const Declared& declared, const LinkEnd& end, std::span<const std::string_view> names) {
    for (const DeclaredObject* object : declared.all<Sysctls>(end.netns)) {
        for (const SysctlEntry& entry : object->spec.as<Sysctls>().entries) {
            const auto own = InterfaceSysctl::parse(entry.path);
            if (own && (own->interface == end.name || own->is_general()) &&
                std::ranges::find(names, own->name) != names.end()) {
                return true;
            }
        }
    }
    return false;
}

bool is_to_distrust(const Declared& declared, const LinkEnd& end, const LinkEnd& other) {
    return end.netns.empty() || (!other.netns.empty() && !is_declared(declared, end, kAll));
}

bool has_ipv6(const DeclaredObject& link) {
    const auto is_v6 = [](const auto& address) { return address.value.ip.v6(); };
    const auto at = [&](Side side) {
        const auto* addresses = type_of(link.spec)->addresses(link.spec.data(), side);
        return addresses != nullptr && std::ranges::any_of(*addresses, is_v6);
    };
    return at(Side::Self) || at(Side::Peer);
}

}  // namespace

void decide_trust(const Declared& declared, const DeclaredObject& link, std::vector<LinkEnd>& ends) {
    if (ends.size() != 2) {
        return;
    }
    const bool v6 = has_ipv6(link);
    for (LinkEnd& end : ends) {
        const LinkEnd& other = &end == &ends[0] ? ends[1] : ends[0];
        if (is_to_distrust(declared, end, other)) {
            end.trusting = false;
        }
        if (v6 && !end.netns.empty() && !is_declared(declared, end, kProbing)) {
            end.probing = false;
        }
    }
}

kernel::Message distrust_request(int index, const LinkEnd& end) {
    ifinfomsg head{};
    head.ifi_index = index;
    kernel::Message message(RTM_SETLINK, 0);
    message.head(head);
    const auto families = message.open(IFLA_AF_SPEC);
    const auto inet = message.open(AF_INET);
    const auto switches = message.open(IFLA_INET_CONF);
    message.number<std::uint32_t>(IPV4_DEVCONF_ACCEPT_REDIRECTS, 0);
    message.number<std::uint32_t>(IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0);
    if (end.netns.empty()) {
        message.number<std::uint32_t>(IPV4_DEVCONF_RP_FILTER, 1);
    }
    message.close(switches);
    message.close(inet);
    constexpr std::int64_t kLeastForIpv6 = 1280;  // RFC 8200, section 5: the kernel has none below
    if (end.netns.empty() && end.mtu.value_or(kLeastForIpv6) >= kLeastForIpv6) {
        const auto inet6 = message.open(AF_INET6);
        message.number<std::uint8_t>(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        message.close(inet6);
    }
    message.close(families);
    return message;
}

Result<> switch_off_ipv6(const kernel::Netns& netns, const LinkEnd& end) {
    std::vector<std::string_view> names;
    if (end.trusting == false) {
        names.assign(kOfIpv6.begin(), kOfIpv6.end());
    }
    if (end.probing == false) {
        names.push_back(kProbing[0]);
    }
    return netns.inside([&]() -> Result<> {
        for (const std::string_view name : names) {
            auto done = kernel::write_kernel_file(
                "/proc/sys/net/ipv6/conf/" + std::string(end.name) + "/" + std::string(name), "0");
            if (!done && done.error().code != ENOENT) {
                return done;
            }
        }
        return {};
    });
}

}  // namespace partd
