// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/interfaces.h"
#include "kinds/link/types/rows.h"

#include <linux/if_tunnel.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::link {

// Tunnels over IPv4 to one other host (ip_tunnels in net/ipv4): the attributes of all, whose numbers each
// type has for itself. T has the members `local`, `remote` and `ttl`.
template <class T, std::uint16_t Local, std::uint16_t Remote, std::uint16_t Ttl>
constexpr std::array<Attribute, 3> tunnel_attributes() {
    return {type_ip<Local, &T::local>("local", "the address of this end", {.fallback = "as the route says"}),
            type_ip<Remote, &T::remote>("remote", "the address of the other end", {.required = true}),
            type_number<Ttl, std::uint8_t, &T::ttl>(
                "ttl", "the time to live of its packets",
                {.min = 0, .max = 255, .fallback = "0: that of the packet inside"})};
}

// The interfaces of tunnels that the kernel makes in each network namespace, and does not remove.
inline constexpr std::array<std::string_view, 5> kOwn = {"gre0", "gretap0", "erspan0", "tunl0", "sit0"};

template <class T>
void check_tunnel(const DeclaredObject& link, Diagnostics& problems) {
    const T& tunnel = link.spec.as<T>();
    for (const auto& [key, ip] : {std::pair("local", tunnel.local), std::pair("remote", tunnel.remote)}) {
        if (ip.v6()) {
            problems.error(link.place(key), fmt::format("a link of kind {} goes over IPv4", T::kName));
        } else if (ip.is_multicast() || (key == std::string_view("remote") && ip.is_any())) {
            problems.error(link.place(key), ip.text() + " is not the address of one host");
        }
    }
    if (std::ranges::find(kOwn, link.name) != kOwn.end()) {
        problems.error(link.source,
                       fmt::format("the kernel makes a {} of its own in every network namespace", link.name));
    }
}

// The kernel tells one tunnel of a type from another by this (ip_tunnel_find()).
template <class T>
std::string tunnel_text(const T& tunnel, std::string_view key) {
    const std::string lower = lower_text(tunnel.self);
    return fmt::format("{} from {} to {}{}{} in partition {}", T::kName, tunnel.local.text(),
                       tunnel.remote.text(), key, lower.empty() ? "" : " by " + lower, tunnel.self.netns);
}

// Tunnels of IP itself (ipip and sit), which differ in what they carry alone.
template <class T>
constexpr auto ip_tunnel_attributes() {
    return joined(self_attributes<T>(), parent_attribute<T>(false),
                  tunnel_attributes<T, IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL>());
}

template <class T>
constexpr LinkOps ip_tunnel_ops() {
    return {.check = [](const Declared&, const DeclaredObject& link,
                        Diagnostics& problems) { check_tunnel<T>(link, problems); },
            .exclusive_name = [](const void* link) { return tunnel_text(*static_cast<const T*>(link), ""); },
            .has_parent = true,
            .parent_info = IFLA_IPTUN_LINK,
            .parent_inside = true,
            .overhead = 20,
            .own_mac = false,
            .ethernet = false,
            .changes_whole = true};
}

}  // namespace partd::link
