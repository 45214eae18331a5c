// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kInside = "fd00:99::100";

constexpr const char* kRouted6 = R"(
[partition.six.link.eth0]
address = ["fd00:99::100/64"]
peer = { name = "six0", address = ["fd00:99::1/64"] }
[[partition.six.route]]
to = "default"
via = "fd00:99::1"
[partition.six.nat]
masquerade = true
[[partition.six.nat.forward]]
listen = "tcp/8080"
to = "[fd00:99::100]:80"
)";

constexpr const char* kNeighbour6 = R"(
[partition.neighbour.link.eth0]
address = ["fd00:7::2/64"]
peer = { name = "nb0", address = ["fd00:7::1/64"] }
[[partition.neighbour.route]]
to = "default"
via = "fd00:7::1"
)";

}  // namespace

TEST_CASE("IPv6 only: link, route, masquerade", "[nat][ipv6]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("six.toml", kRouted6);
    sandbox.apply();
    const int inside = sandbox.netns("six");
    CHECK(addresses("eth0", inside) == Strings{kInside + std::string("/64")});
    CHECK(routes("default", inside, "main", "-6").at(0).at("gateway") == "fd00:99::1");
    CHECK(routes("default", inside).empty());
    CHECK(pings(inside, "fd00:99::1"));
    CHECK(pings(inside, Outside::kPeer6));

    const Server server(outside.netns.fd(), Outside::kPeer6, 9000);
    CHECK(seen_soon(inside, Outside::kPeer6, 9000) == Outside::kHost6);
    const Server datagrams(outside.netns.fd(), Outside::kPeer6, 9000, Transport::udp);
    CHECK(seen_soon(inside, Outside::kPeer6, 9000, Transport::udp) == Outside::kHost6);
}

TEST_CASE("IPv6: the forward works from everywhere", "[nat][ipv6][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("six.toml", kRouted6);
    sandbox.write_config("neighbour.toml", kNeighbour6);
    sandbox.apply();
    const int inside = sandbox.netns("six");
    const int neighbour = sandbox.netns("neighbour");
    const Server server(inside, kInside, 80);

    // ::1 is not tried: the kernel drops answers to it that come in by a link, and has no route_localnet for
    // IPv6
    SECTION("from outside") {
        CHECK(seen_soon(outside.netns.fd(), Outside::kHost6, 8080) == Outside::kPeer6);
    }
    SECTION("from the host") {
        CHECK(seen_soon(kHere, Outside::kHost6, 8080).has_value());
    }
    SECTION("from the host, by the link's address") {
        CHECK(seen_soon(kHere, "fd00:99::1", 8080).has_value());
    }
    SECTION("from another partition") {
        CHECK(seen_soon(neighbour, Outside::kHost6, 8080).has_value());
    }
    SECTION("from the partition itself") {
        CHECK(seen_soon(inside, Outside::kHost6, 8080).has_value());
    }
}

TEST_CASE("IPv6: what is not declared is not forwarded", "[nat][ipv6][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("six.toml", kRouted6);
    sandbox.write_config("neighbour.toml", kNeighbour6);
    sandbox.apply();
    const int inside = sandbox.netns("six");
    const int neighbour = sandbox.netns("neighbour");
    const Server web(inside, kInside, 80);
    const Server at_outside(outside.netns.fd(), Outside::kPeer6, 80);
    REQUIRE(seen_soon(outside.netns.fd(), Outside::kHost6, 8080).has_value());
    REQUIRE(seen_soon(inside, Outside::kPeer6, 80).has_value());

    CHECK(out_of_reach(outside.netns.fd(), kInside, 80));
    CHECK(out_of_reach(neighbour, kInside, 80));
    CHECK(out_of_reach(neighbour, Outside::kPeer6, 80));
    CHECK(does_not_ping(outside.netns.fd(), kInside));
}

TEST_CASE("IPv6: forwarding keeps what an uplink learns from router advertisements", "[nat][ipv6][sysctl]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const auto learnt = [] { return output({"ip", "-6", "route", "show", "default", "proto", "ra"}); };
    REQUIRE(eventually([&] {
        advertise_router(outside.netns.fd(), "wan");
        return !learnt().empty();
    }));
    sandbox.write_config("six.toml", kRouted6);
    sandbox.apply();
    CHECK(sysctl("net.ipv6.conf.all.forwarding") == "1");
    CHECK_FALSE(learnt().empty());
    // and the next advertisement is taken as well
    ip({"-6", "route", "del", "default", "proto", "ra"});
    CHECK(eventually([&] {
        advertise_router(outside.netns.fd(), "wan");
        return !learnt().empty();
    }));
}

TEST_CASE("dual stack: one partition, both families, IPv4 and IPv6 forwards side by side", "[nat][ipv6]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("dual.toml", R"(
[partition.dual.link.eth0]
address = ["10.8.0.2/24", "fd00:8::2/64"]
peer = { address = ["10.8.0.1/24", "fd00:8::1/64"] }
[[partition.dual.route]]
to = "default"
via = "10.8.0.1"
[[partition.dual.route]]
to = "default"
via = "fd00:8::1"
[partition.dual.nat]
masquerade = true
[[partition.dual.nat.forward]]
listen = "tcp/8080"
to = "10.8.0.2:80"
[[partition.dual.nat.forward]]
listen = "tcp/8080"
to = "[fd00:8::2]:80"
)");
    sandbox.apply();
    const int inside = sandbox.netns("dual");
    CHECK(has_link("pv-dual"));
    const Server four(inside, "10.8.0.2", 80);
    const Server six(inside, "fd00:8::2", 80);
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 8080) == Outside::kPeer4);
    CHECK(seen_soon(outside.netns.fd(), Outside::kHost6, 8080) == Outside::kPeer6);
}
