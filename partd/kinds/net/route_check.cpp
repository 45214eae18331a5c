// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/route_check.h"

#include "base/text.h"
#include "kernel/netlink/own_routes.h"
#include "kinds/near.h"

#include <linux/rtnetlink.h>

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

// Turns one declared route into what the kernel would show.
class Normalizer {
public:
    Normalizer(const Declared& declared, const DeclaredObject& object,
               const std::vector<Interface>& interfaces, Diagnostics& problems)
        : declared_(declared), object_(object), interfaces_(interfaces), problems_(problems) {}

    std::optional<Route> run() {
        Route route = object_.spec.as<Route>();
        route.netns = object_.owner;
        const bool v6 = is_v6(route);
        if (!route.to.prefix) {
            route.to.prefix = Prefix{Ip::any(v6), 0};
        }
        if (!check_families(route, v6) || !check_ways(route) || !check_source(route)) {
            return std::nullopt;
        }
        route.table_id = route.table_id.value_or(RouteTable{});
        if (v6 && route.metric == 0) {
            route.metric.reset();  // the kernel's word for its usual one
        }
        route.metric = route.metric.value_or(v6 ? 1024 : 0);
        auto ways = route.ways();
        for (NextHop& way : ways) {
            if (!resolve(way)) {
                return std::nullopt;
            }
        }
        if (!check_up(ways) || !(v6 ? check_ways6(ways) && check_scope6(route) : check_scope(route))) {
            return std::nullopt;
        }
        if (follows_from_address(route, ways, v6)) {
            route.protocol = RTPROT_KERNEL;
        }
        route.path = path_text(ways);
        route.nexthop = ways;
        route.via.reset();
        route.dev.reset();
        route.scope =
            v6 ? std::nullopt : std::optional(scope_of(route, route.nexthop));  // IPv6 routes have none
        return route;
    }

private:
    static bool is_v6(const Route& route) {
        if (route.to.prefix) {
            return route.to.prefix->ip.v6();
        }
        for (const NextHop& way : route.ways()) {
            if (way.via) {
                return way.via->v6();
            }
        }
        return route.src && route.src->v6();
    }

    bool check_families(const Route& route, bool v6) {
        const auto fits = [&](const std::optional<Ip>& ip) { return !ip || ip->v6() == v6; };
        const auto ways = route.ways();
        if (fits(route.src) && std::ranges::all_of(ways, [&](const NextHop& way) { return fits(way.via); })) {
            return true;
        }
        problems_.error(
            object_.source,
            "a route is IPv4 or IPv6: its destination, gateways and source must be of one family");
        return false;
    }

    bool check_source(const Route& route) {
        if (!route.src ||
            std::ranges::any_of(interfaces_, [&](const Interface& each) { return has(each, *route.src); })) {
            return true;
        }
        problems_.error(object_.place("src"), fmt::format("{} is not an address of partition {}",
                                                          route.src->text(), object_.owner));
        return false;
    }

    // As ip-route(8) has it: a route without a gateway ends at the link.
    static RouteScope scope_of(const Route& route, const std::vector<NextHop>& ways) {
        const bool direct = route.type == RouteType::Unicast && ways.size() == 1 && !ways[0].via;
        return route.scope.value_or(direct ? RouteScope::Link : RouteScope::Global);
    }

    bool check_ways(const Route& route) {
        const bool goes_somewhere = route.via || route.dev || !route.nexthop.empty();
        if (route.type == RouteType::Unicast && !goes_somewhere) {
            problems_.error(object_.source, "a unicast route needs via, dev or nexthop");
            return false;
        }
        if (route.type != RouteType::Unicast && goes_somewhere) {
            problems_.error(object_.source,
                            fmt::format("a {} route goes nowhere: it has no via, dev or nexthop",
                                        Codec<RouteType>::text(route.type)));
            return false;
        }
        if ((route.via || route.dev) && !route.nexthop.empty()) {
            problems_.error(object_.place("nexthop"), "a route has via and dev, or nexthop, not both");
            return false;
        }
        const auto leads_nowhere = [](const NextHop& way) { return !way.via && !way.dev; };
        if (std::ranges::any_of(route.nexthop, leads_nowhere)) {
            problems_.error(object_.place("nexthop"), "each next hop of a route needs via or dev");
            return false;
        }
        return true;
    }

    // A gateway lies beyond the link, several ways beyond the host (fib_create_info()).
    bool check_scope(const Route& route) {
        const auto ways = route.ways();
        const bool gateway =
            std::ranges::any_of(ways, [](const NextHop& way) { return way.via.has_value(); });
        const RouteScope scope = route.scope.value_or(RouteScope::Global);
        const bool narrow =
            scope == RouteScope::Host ? gateway || ways.size() > 1 : scope == RouteScope::Link && gateway;
        if (narrow) {
            problems_.error(object_.place("scope"), fmt::format("a route of scope {} {}: leave scope out",
                                                                Codec<RouteScope>::text(scope),
                                                                gateway ? "has no gateway" : "goes one way"));
        }
        return !narrow;
    }

    // The kernel reads no scope of IPv6's, and shows each as global (rtm_to_fib6_config()).
    bool check_scope6(const Route& route) {
        if (route.scope.value_or(RouteScope::Global) != RouteScope::Global) {
            problems_.error(
                object_.place("scope"),
                "a route of IPv6 has no scope: the kernel takes each for global: leave scope out");
            return false;
        }
        return true;
    }

    // True if the route equals one that the kernel makes of an address of its interface
    // (kernel/netlink/own_routes.h).
    bool follows_from_address(const Route& route, const std::vector<NextHop>& ways, bool v6) const {
        if (ways.size() != 1 || ways[0].via || route.mtu || route.table_id->id != RT_TABLE_MAIN) {
            return false;
        }
        const auto& interface = *std::ranges::find(interfaces_, *ways[0].dev, &Interface::name);
        const auto in_network = [&](const auto& address) {
            return address.value.prefix() == *route.to.prefix;
        };
        const auto address = std::ranges::find_if(interface.addresses, in_network);
        if (address == interface.addresses.end() || (!v6 && !interface.link) ||
            (v6 ? route.src.has_value() : route.src.value_or(address->value.ip) != address->value.ip)) {
            return false;
        }
        const kernel::OwnRoute own{*route.to.prefix, RT_TABLE_MAIN, RTN_UNICAST};
        const bool whole = route.to.prefix->length == route.to.prefix->ip.bits();
        return *route.metric == own.metric() && (v6 || (!whole && scope_of(route, ways) == RouteScope::Link));
    }

    // The kernel keeps no route over a link that is down.
    bool check_up(const std::vector<NextHop>& ways) {
        for (const NextHop& way : ways) {
            const auto down = [&](const Interface& each) { return way.dev == each.name && !each.up; };
            const auto link = std::ranges::find_if(interfaces_, down);
            if (link != interfaces_.end()) {
                problems_.error(object_.source,
                                fmt::format("the route to {} goes over {}, which is down (up = false): "
                                            "the kernel takes none there",
                                            object_.spec.as<Route>().to.text(), std::string(*way.dev)),
                                link->declared->place("up"), "the link");
                return false;
            }
        }
        return true;
    }

    // Some ways the kernel takes of IPv4 only (ip6_route_multipath_add()).
    bool check_ways6(const std::vector<NextHop>& ways) {
        for (std::size_t i = 0; i < ways.size() && ways.size() > 1; ++i) {
            const auto same = [&](const NextHop& other) {
                return other.via == ways[i].via && other.dev == ways[i].dev;
            };
            const bool twice = std::ranges::count_if(ways, same) > 1;
            if (!ways[i].via || twice) {
                problems_.error(object_.place("nexthop"),
                                twice ? fmt::format("an IPv6 route goes one way once: {} twice; use weight",
                                                    path_text({ways[i]}))
                                      : fmt::format("an IPv6 route with several ways needs a gateway for "
                                                    "each: {} has none",
                                                    path_text({ways[i]})));
                return false;
            }
        }
        return true;
    }

    // Finds the interface of a way, and that its gateway can be reached there.
    bool resolve(NextHop& way) {
        if (way.dev) {
            const auto named = [&](const Interface& interface) { return interface.name == *way.dev; };
            if (std::ranges::none_of(interfaces_, named)) {
                problems_.error(object_.place("dev"),
                                fmt::format("partition {} has no link {}{}", object_.owner, *way.dev,
                                            near_link(declared_, object_.owner, *way.dev)));
                return false;
            }
        }
        if (!way.via || (way.dev && way.via->v6() && way.via->is_link_local())) {
            return true;
        }
        // Of IPv4 it means the link itself.
        const auto is_own = [&](const Interface& interface) { return has(interface, *way.via); };
        if (way.via->v6() && std::ranges::any_of(interfaces_, is_own)) {
            problems_.error(object_.place("via"),
                            fmt::format("{} is an address of partition {} itself: a gateway is another's",
                                        way.via->text(), object_.owner));
            return false;
        }
        for (const Interface& interface : interfaces_) {
            if ((!way.dev || interface.name == *way.dev) && reaches(interface, *way.via)) {
                way.dev = IfName(interface.name.c_str());
                return true;
            }
        }
        problems_.error(
            object_.place("via"),
            fmt::format("no link of partition {} reaches {}{} ({}): give one an address in the same network",
                        object_.owner, way.via->text(), way.dev ? " over " + *way.dev : "",
                        addresses_text(way)));
        return false;
    }

    static bool has(const Interface& interface, const Ip& ip) {
        return std::ranges::any_of(interface.addresses,
                                   [&](const auto& address) { return address.value.ip == ip; });
    }

    // The addresses of the gateway's family of the interfaces that may lead to it: "eth0 has 10.1.1.1/24".
    std::string addresses_text(const NextHop& way) const {
        std::vector<std::string> all;
        for (const Interface& interface : interfaces_) {
            for (const auto& address : interface.addresses) {
                if ((!way.dev || interface.name == *way.dev) && address.value.ip.v6() == way.via->v6()) {
                    all.push_back(fmt::format("{} has {}", interface.name, address.value.text()));
                }
            }
        }
        return all.empty() ? fmt::format("no address of IPv{}", way.via->v6() ? 6 : 4) : join(all, ", ");
    }

    // By one of its addresses, or by a route that needs no gateway itself.
    bool reaches(const Interface& interface, const Ip& gateway) const {
        const auto by_address = [&](const auto& address) { return address.value.prefix().contains(gateway); };
        if (std::ranges::any_of(interface.addresses, by_address)) {
            return true;
        }
        const auto by_route = [&](const DeclaredObject* other) {
            const Route& route = other->spec.as<Route>();
            return route.dev == interface.name && !route.via && leads_to_link(route) && route.to.prefix &&
                   route.to.prefix->length > 0 && route.to.prefix->contains(gateway);
        };
        return std::ranges::any_of(declared_.all<Route>(object_.owner), by_route);
    }

    // As the kernel wants it of a gateway's way (fib_check_nh_v4_gw()).
    static bool leads_to_link(const Route& route) {
        return route.scope.value_or(RouteScope::Link) >= RouteScope::Link;
    }

    const Declared& declared_;
    const DeclaredObject& object_;
    const std::vector<Interface>& interfaces_;
    Diagnostics& problems_;
};

}  // namespace

std::optional<Route> normal_route(const Declared& declared, const DeclaredObject& object,
                                  const std::vector<Interface>& interfaces, Diagnostics& problems) {
    return Normalizer(declared, object, interfaces, problems).run();
}

}  // namespace partd
