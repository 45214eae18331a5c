#include "kinds/route.h"

#include "base/text.h"
#include "kinds/address.h"
#include "kinds/netns.h"
#include "kinds/partition.h"
#include "kinds/topology.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

template <>
struct Form<Destination> {
    static constexpr std::string_view kExpected =
                                          "\"default\" or a prefix without host bits like \"10.1.1.0/24\"",
                                      kPattern = "^(default|[0-9a-fA-F:.]+/[0-9]{1,3})$";
};

std::optional<Destination> Destination::parse(std::string_view text) {
    if (text == "default") {
        return Destination{};
    }
    const auto prefix = Prefix::parse(text);
    return prefix ? std::optional(Destination{prefix}) : std::nullopt;
}

std::string Destination::text() const {
    return !prefix || (prefix->length == 0 && !prefix->ip.v6()) ? "default" : prefix->text();
}

bool Codec<RouteTable>::read(const Value& value, RouteTable& out, Diagnostics& problems) {
    const auto* integer = value.get_if<std::int64_t>();
    const auto* word = value.get_if<std::string>();
    if (integer != nullptr && *integer >= 1 && *integer <= 0xffffffff) {
        out.id = static_cast<std::uint32_t>(*integer);
        return true;
    }
    for (const std::uint32_t id : {RT_TABLE_MAIN, RT_TABLE_LOCAL, RT_TABLE_DEFAULT}) {
        if (word != nullptr && *word == table_text(id)) {
            out.id = id;
            return true;
        }
    }
    report_unexpected(value, "a table: 1 to 4294967295, \"main\", \"local\" or \"default\"", problems);
    return false;
}

Value Codec<RouteTable>::schema() {
    Value number;
    number.set("type", "integer");
    number.set("minimum", 1);
    number.set("maximum", 0xffffffffLL);
    Value schema;
    schema.set("anyOf", Array{number, string_schema("^(main|local|default)$", "a table's name")});
    return schema;
}

std::string table_text(std::uint32_t id) {
    return id == RT_TABLE_MAIN      ? "main"
           : id == RT_TABLE_LOCAL   ? "local"
           : id == RT_TABLE_DEFAULT ? "default"
                                    : std::to_string(id);
}

namespace {

constexpr Field kNextHopFields[] = {
    field<&NextHop::via>("via", "the gateway"),
    field<&NextHop::dev>("dev", "the interface"),
    field<&NextHop::weight>("weight", "its share among the ways", {.min = 1, .max = 256, .fallback = "1"}),
};

// Left out of the file it is taken off the route.
template <auto Member>
constexpr Field whole(std::string_view name, std::string_view description, FieldOptions options = {}) {
    Field exact = field<Member>(name, description, options);
    exact.same = [](const void* wanted, const void* found) {
        return static_cast<const Route*>(wanted)->*Member == static_cast<const Route*>(found)->*Member;
    };
    return exact;
}

// The kernel makes this of anything larger, without a word (ip_metrics_convert() in net/ipv4/metrics.c).
constexpr std::int64_t kLargestMtu = 65520;
constexpr Field kFields[] = {
    field<&Route::netns>("netns", "the namespace", {.role = Role::Identity, .live = true}),
    field<&Route::to>("to", "the destination: \"default\" or a prefix",
                      {.role = Role::Identity, .required = true}),
    field<&Route::via>("via", "the gateway", {.role = Role::Declared}),
    field<&Route::dev>("dev", "the interface",
                       {.role = Role::Declared, .fallback = "the one that reaches the gateway"}),
    field<&Route::path>("path", "gateways and interfaces", {.live = true}),
    whole<&Route::src>("src", "the source address that it prefers"),
    field<&Route::metric>(
        "metric", "lower ones win",
        {.role = Role::Identity, .min = 0, .max = 0xffffffffLL, .fallback = "0; 1024 for IPv6"}),
    field<&Route::table_id>("table", "the routing table", {.role = Role::Identity, .fallback = "main"}),
    whole<&Route::scope>("scope", "how far the destination is",
                         {.fallback = "link without a gateway, else global"}),
    whole<&Route::mtu>("mtu", "largest packet on the way", {.min = 68, .max = kLargestMtu, .unit = "bytes"}),
    field<&Route::type>("type", "what becomes of packets", {.fallback = "unicast"}),
    field<&Route::mark>("mark", "partd's mark on it", {.live = true}),
    field<&Route::nexthop>("nexthop", "several ways, each with via, dev and weight",
                           {.role = Role::Declared}),
};

constexpr Declaration kLanguage[] = {declaration<Route>("partition.*.route[]")};

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
        if (v6 && !check_ways6(ways)) {
            return std::nullopt;
        }
        route.path = path_text(ways);
        route.nexthop = ways;
        route.via.reset();
        route.dev.reset();
        route.scope = v6 ? std::nullopt : std::optional(scope_of(route));  // IPv6 routes have none
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
        const auto has = [&](const Interface& interface) {
            return std::ranges::any_of(interface.addresses,
                                       [&](const auto& address) { return address.value.ip == route.src; });
        };
        if (!route.src || std::ranges::any_of(interfaces_, has)) {
            return true;
        }
        problems_.error(object_.place("src"),
                        fmt::format("{} is no address of partition {}", route.src->text(), object_.owner));
        return false;
    }

    // As ip-route(8) has it: a route without a gateway ends at the link.
    static RouteScope scope_of(const Route& route) {
        const bool direct =
            route.type == RouteType::Unicast && route.nexthop.size() == 1 && !route.nexthop[0].via;
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
        return true;
    }

    // What the kernel takes of IPv4 only (ip6_route_multipath_add()).
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
                                fmt::format("partition {} has no link {}", object_.owner, *way.dev));
                return false;
            }
        }
        if (!way.via || (way.dev && way.via->is_link_local())) {
            return true;
        }
        for (const Interface& interface : interfaces_) {
            if ((!way.dev || interface.name == *way.dev) && reaches(interface, *way.via)) {
                way.dev = IfName(interface.name.c_str());
                return true;
            }
        }
        problems_.error(
            object_.place("via"),
            fmt::format("no link of partition {} reaches {}{}: give one an address in the same network",
                        object_.owner, way.via->text(), way.dev ? " over " + *way.dev : ""));
        return false;
    }

    // By one of its addresses, or by a route that needs no gateway itself.
    bool reaches(const Interface& interface, const Ip& gateway) const {
        const auto by_address = [&](const auto& address) { return address.value.prefix().contains(gateway); };
        if (std::ranges::any_of(interface.addresses, by_address)) {
            return true;
        }
        const auto by_route = [&](const DeclaredObject* other) {
            const Route& route = other->spec.as<Route>();
            return route.dev == interface.name && !route.via && route.to.prefix &&
                   route.to.prefix->length > 0 && route.to.prefix->contains(gateway);
        };
        return std::ranges::any_of(declared_.all<Route>(object_.owner), by_route);
    }

    const Declared& declared_;
    const DeclaredObject& object_;
    const std::vector<Interface>& interfaces_;
    Diagnostics& problems_;
};

void add_needs(Resource& resource, const Route& route, const std::vector<Interface>& interfaces) {
    resource.needs = {netns_key(route.netns)};
    for (const Interface& interface : interfaces) {
        const auto uses = [&](const NextHop& way) { return way.dev == interface.name; };
        const bool used = std::ranges::any_of(route.nexthop, uses);
        if (used && interface.link) {
            resource.needs.push_back(*interface.link);
        }
        for (const auto& address : interface.addresses) {
            if (used || route.src == address.value.ip) {
                resource.needs.push_back(address_key(interface.netns, interface.name, address.value));
            }
        }
    }
    for (const Key& need : resource.needs) {
        if (need.kind != &kAddress.kind) {
            resource.within.push_back(need);
        }
    }
}

bool is_direct(const std::map<std::string, std::vector<Interface>>& by_netns, const std::string& netns,
               const NextHop& way) {
    const auto found = by_netns.find(netns);
    return found != by_netns.end() && std::ranges::any_of(found->second, [&](const Interface& interface) {
               return way.dev == interface.name &&
                      std::ranges::any_of(interface.addresses, [&](const auto& address) {
                          return address.value.prefix().contains(*way.via);
                      });
           });
}

// A gateway behind a route: that route first.
void order_gateways(State& desired, const std::map<std::string, std::vector<Interface>>& by_netns) {
    std::map<std::string, std::vector<Resource*>> by_owner;
    for (Resource& resource : desired.all()) {
        if (resource.key.kind == &kRoute.kind) {
            by_owner[resource.owner].push_back(&resource);
        }
    }
    for (auto& [owner, routes] : by_owner) {
        for (Resource* resource : routes) {
            for (const Resource* other : routes) {
                const Prefix& to = *other->spec.as<Route>().to.prefix;
                // A gateway in an interface's own network needs no route.
                const auto behind = [&](const NextHop& way) {
                    return way.via && to.length > 0 && to.contains(*way.via) &&
                           !is_direct(by_netns, owner, way);
                };
                if (other != resource && std::ranges::any_of(resource->spec.as<Route>().nexthop, behind)) {
                    resource->needs.push_back(other->key);
                }
            }
        }
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    auto by_netns = interfaces_by_netns(declared);
    for (const DeclaredObject* object : declared.all<Route>()) {
        if (!has_netns(declared, object->owner)) {
            problems.error(
                object->source,
                fmt::format("partition {} has no network namespace of its own for a route", object->owner));
            continue;
        }
        const auto& interfaces = by_netns[object->owner];
        const auto route = Normalizer(declared, *object, interfaces, problems).run();
        if (!route) {
            continue;
        }
        Resource resource{.key = route_key(*route),
                          .owner = object->owner,
                          .source = object->source,
                          .places = object->places};
        add_needs(resource, *route, interfaces);
        resource.spec = Spec(*route);
        const Source source = resource.source;
        Resource& added = desired.add(std::move(resource));
        if (added.source.text() != source.text()) {
            problems.error(source, fmt::format("{} is declared twice", added.key.text()), added.source,
                           "the other declaration");
        }
    }
    order_gateways(desired, by_netns);
}

std::string summary(const Spec& spec) {
    const Route& route = spec.as<Route>();
    return route.type == RouteType::Unicast ? route.path : Codec<RouteType>::text(route.type);
}

}  // namespace

constinit const Table NextHop::table = {"nexthop", "One way of a route.", kNextHopFields};
constinit const Table Route::table = {"route", "A route of the partition.", kFields};

std::vector<NextHop> Route::ways() const {
    if (!nexthop.empty()) {
        return nexthop;
    }
    return via || dev ? std::vector{NextHop{.via = via, .dev = dev}} : std::vector<NextHop>();
}

constinit const LiveKind kRoute = {
    .kind = {.name = "route",
             .table = &Route::table,
             .language = kLanguage,
             .expand = expand,
             .summary = summary,
             .apart = true},
    .observe = observe_routes,
    .apply = apply_route,
};

}  // namespace partd
