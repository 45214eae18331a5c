// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/route.h"

#include "kinds/link/interfaces.h"
#include "kinds/namespace/netns.h"
#include "kinds/net/address.h"
#include "kinds/net/route_check.h"
#include "kinds/partition.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

template <>
struct TextFormat<Destination> {
    static constexpr std::string_view
        kExpected = "\"default\", a prefix without host bits like \"10.1.1.0/24\", or an address",
        kPattern = "^(default|[0-9a-fA-F:.]+(/[0-9]{1,3})?)$";
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
    field<&NextHop::weight>("weight", "its share among the next hops",
                            {.min = 1, .max = 256, .fallback = "1"}),
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
    whole<&Route::src>("src", "preferred source address"),
    field<&Route::metric>(
        "metric", "priority among routes to the same destination; lower values win",
        {.role = Role::Identity, .min = 0, .max = 0xffffffffLL, .fallback = "0; 1024 for IPv6"}),
    field<&Route::table_id>("table", "the routing table", {.role = Role::Identity, .fallback = "main"}),
    whole<&Route::scope>("scope", "scope of the destination",
                         {.fallback = "link without a gateway, else global"}),
    whole<&Route::mtu>("mtu", "largest packet on the way", {.min = 68, .max = kLargestMtu, .unit = "bytes"}),
    field<&Route::type>("type", "action for packets", {.fallback = "unicast"}),
    field<&Route::mark>("mark", "partd's mark on it", {.live = true}),
    field<&Route::nexthop>("nexthop", "several next hops, each with via, dev and weight",
                           {.role = Role::Declared}),
};

constexpr Declaration kLanguage[] = {declaration<Route>("partition.*.route[]")};

void add_needs(Resource& resource, const Route& route, const std::vector<Interface>& interfaces) {
    resource.depends_on = {netns_key(route.netns)};
    for (const Interface& interface : interfaces) {
        const auto uses = [&](const NextHop& way) { return way.dev == interface.name; };
        const bool used = std::ranges::any_of(route.nexthop, uses);
        if (used && interface.link) {
            resource.depends_on.push_back(*interface.link);
        }
        for (const auto& address : interface.addresses) {
            if (used || route.src == address.value.ip) {
                resource.depends_on.push_back(address_key(interface.netns, interface.name, address.value));
            }
        }
    }
    for (const Key& need : resource.depends_on) {
        if (need.kind != &kAddress.kind) {
            resource.contained_in.push_back(need);
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
                    resource->depends_on.push_back(other->key);
                }
            }
        }
    }
}

// The routes to what is behind a link (LinkOps::routes), but for those that a file has itself.
void expand_routes_of_links(const Declared& declared, State& desired,
                            std::map<std::string, std::vector<Interface>>& by_netns, Diagnostics& problems) {
    for (const DeclaredObject* link : declared_links(declared)) {
        const auto routes = type_of(link->spec)->ops.routes;
        for (const auto& [prefix, at] :
             routes == nullptr ? std::vector<Sourced<Prefix>>() : routes(link->spec.data())) {
            DeclaredObject object{.declaration = kLanguage, .owner = link->owner, .source = at};
            object.spec = Spec(Route{.to = {prefix}, .dev = IfName(link->name.c_str())});
            const auto& interfaces = by_netns[link->owner];
            const auto route = normal_route(declared, object, interfaces, problems);
            if (!route || desired.find(route_key(*route)) != nullptr) {
                continue;
            }
            Resource resource{.key = route_key(*route), .owner = link->owner, .source = at};
            add_needs(resource, *route, interfaces);
            resource.spec = Spec(*route);
            desired.add(std::move(resource));
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
        const auto route = normal_route(declared, *object, interfaces, problems);
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
    expand_routes_of_links(declared, desired, by_netns, problems);
    order_gateways(desired, by_netns);
}

std::string summary(const Spec& spec) {
    const Route& route = spec.as<Route>();
    return route.type == RouteType::Unicast ? route.path : Codec<RouteType>::text(route.type);
}

}  // namespace

constinit const Table NextHop::table = {"nexthop", "One next hop of a route.", kNextHopFields};
constinit const Table Route::table = {"route", "A route of the partition.", kFields};

std::vector<NextHop> Route::ways() const {
    if (!nexthop.empty()) {
        return nexthop;
    }
    return via || dev ? std::vector{NextHop{.via = via, .dev = dev}} : std::vector<NextHop>();
}

constinit const LiveKind kRoute = {
    .kind = {.name = "route",
             .language = kLanguage,
             .phase = Phase::Network,
             .expand = expand,
             .summary = summary,
             .independent = true},
    .observe = observe_routes,
    .apply = apply_route,
};

}  // namespace partd
