// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/marks.h"

namespace partd {

// "default" or a prefix.
struct Destination {
    std::optional<Prefix> prefix;  // nullopt: default, of the family that the gateway has

    static std::optional<Destination> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    bool operator==(const Destination&) const = default;
};

// A number from 1 to 4294967295, or main, local, default.
struct RouteTable {
    std::uint32_t id = 254;
    bool operator==(const RouteTable&) const = default;
};
std::string table_text(std::uint32_t id);

template <>
struct Codec<RouteTable> {
    static bool read(const Value& value, RouteTable& out, Diagnostics& problems);
    static std::string text(const RouteTable& value) { return table_text(value.id); }
    static Value json(const RouteTable& value) { return text(value); }
    static Value schema();
};

enum class RouteType : std::uint8_t { Unicast = 1, Blackhole = 6, Unreachable = 7, Prohibit = 8 };  // RTN_*
template <>
struct EnumWords<RouteType> {
    static constexpr std::array<EnumWord<RouteType>, 4> kWords = {{{"unicast", RouteType::Unicast},
                                                                   {"blackhole", RouteType::Blackhole},
                                                                   {"unreachable", RouteType::Unreachable},
                                                                   {"prohibit", RouteType::Prohibit}}};
};

enum class RouteScope : std::uint8_t { Global = 0, Site = 200, Link = 253, Host = 254 };  // RT_SCOPE_*
template <>
struct EnumWords<RouteScope> {
    static constexpr std::array<EnumWord<RouteScope>, 4> kWords = {{{"global", RouteScope::Global},
                                                                    {"site", RouteScope::Site},
                                                                    {"link", RouteScope::Link},
                                                                    {"host", RouteScope::Host}}};
};

// One way of a route that has several.
struct NextHop {
    std::optional<Ip> via;
    std::optional<IfName> dev;
    std::int64_t weight = 1;
    static const Table table;
    bool operator==(const NextHop&) const = default;
};

// [[partition.NAME.route]]
struct Route {
    std::string netns = {};
    Destination to = {};
    std::optional<Ip> via = {};
    std::optional<IfName> dev = {};
    std::optional<Ip> src = {};
    std::optional<std::int64_t> metric = {};
    std::optional<RouteTable> table_id = {};
    std::optional<RouteScope> scope = {};
    std::optional<std::int64_t> mtu = {};
    RouteType type = RouteType::Unicast;
    std::vector<NextHop> nexthop = {};
    // All next hops as one text, in order: "via 10.1.1.1 dev eth0". The diff compares it.
    std::string path = {};
    std::string mark = std::string(kMarked);
    // That the kernel has it under. One that the kernel makes itself of an address is left to it, and put
    // back as its own: it goes with the address, and not when the file does not name it any more.
    std::uint8_t protocol = kProtocolMark;
    bool shadows = false;  // of one that was found: partd's own stands behind it
    bool operator==(const Route&) const = default;
    static const Table table;

    // Every way: its own, or the next hops.
    [[nodiscard]] std::vector<NextHop> ways() const;
};

extern const LiveKind kRoute;

// All ways as one text, in an order that does not depend on the kernel's.
std::string path_text(const std::vector<NextHop>& ways);
// The key of a route whose prefix, table and metric are known.
Key route_key(const Route& route);

// Finds the routes of our namespaces that carry our mark or have a wanted name.
Result<> observe_routes(Observation& observation);
// Carries out a change of a route (rtnetlink(7)).
Result<> apply_route(ApplyContext& context, const Change& change, std::size_t number);

}  // namespace partd
