// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kInside = "172.16.99.100";

/// Beside test_net: a partition with a link to the host, and nothing else.
constexpr const char* kNeighbour = R"(
[partition.neighbour.link.eth0]
address = ["10.7.0.2/24"]
peer = { name = "nb0", address = ["10.7.0.1/24"] }
[[partition.neighbour.route]]
to = "default"
via = "10.7.0.1"
)";

}  // namespace

TEST_CASE("routed-nat: addresses, default route and reach to the outside", "[nat]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.apply();
    const int inside = sandbox.netns("test_net");

    CHECK(addresses("eth0", inside) == Strings{"172.16.99.100/24"});
    CHECK(addresses("pv-test_net") == Strings{"172.16.99.1/24"});
    CHECK(routes("default", inside).at(0).at("gateway") == "172.16.99.1");
    CHECK(sysctl("net.ipv4.ip_forward") == "1");
    CHECK(pings(inside, "172.16.99.1"));
    CHECK(pings(inside, Outside::kPeer4));

    const Server server(outside.netns.fd(), Outside::kPeer4, 9000);
    CHECK(seen_by(inside, Outside::kPeer4, 9000) == Outside::kHost4);
    const Server datagrams(outside.netns.fd(), Outside::kPeer4, 9000, Transport::udp);
    CHECK(seen_by(inside, Outside::kPeer4, 9000, Transport::udp) == Outside::kHost4);
}

TEST_CASE("routed-nat: the forward works from everywhere", "[nat][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.write_config("neighbour.toml", kNeighbour);
    sandbox.apply();
    const int inside = sandbox.netns("test_net");
    const int neighbour = sandbox.netns("neighbour");
    const Server server(inside, kInside, 80);

    SECTION("from outside, who is seen as himself") {
        CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 8080) == Outside::kPeer4);
    }
    SECTION("from the host, by its uplink's address") {
        CHECK(seen_by(kHere, Outside::kHost4, 8080).has_value());
    }
    SECTION("from the host, by the address on the link") {
        CHECK(seen_by(kHere, "172.16.99.1", 8080).has_value());
    }
    SECTION("from the host, by 127.0.0.1") {
        CHECK(seen_by(kHere, "127.0.0.1", 8080).has_value());
    }
    SECTION("from another partition, by the host's address on its link") {
        CHECK(seen_by(neighbour, "10.7.0.1", 8080).has_value());
    }
    SECTION("from another partition, by the uplink's address") {
        CHECK(seen_by(neighbour, Outside::kHost4, 8080).has_value());
    }
    SECTION("from the partition itself, by the uplink's address") {
        CHECK(seen_by(inside, Outside::kHost4, 8080).has_value());
    }
    SECTION("from the partition itself, by the host's address on its link") {
        CHECK(seen_by(inside, "172.16.99.1", 8080).has_value());
    }
}

TEST_CASE("routed-nat: what is not declared is not forwarded", "[nat][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.write_config("neighbour.toml", kNeighbour);
    sandbox.apply();
    const int inside = sandbox.netns("test_net");
    const int neighbour = sandbox.netns("neighbour");
    const Server web(inside, kInside, 80);
    const Server other(inside, kInside, 81);
    const Server at_neighbour(neighbour, "10.7.0.2", 80);
    const Server at_outside(outside.netns.fd(), Outside::kPeer4, 80);
    // the servers do answer, to those who may
    REQUIRE(seen_by(kHere, kInside, 81).has_value());
    REQUIRE(seen_by(kHere, "10.7.0.2", 80).has_value());

    SECTION("from outside to another port") {
        CHECK(out_of_reach(outside.netns.fd(), kInside, 81));
        CHECK(out_of_reach(outside.netns.fd(), Outside::kHost4, 81));
    }
    SECTION("from outside around the forward") {
        CHECK(out_of_reach(outside.netns.fd(), kInside, 80));
        CHECK(does_not_ping(outside.netns.fd(), kInside));
    }
    SECTION("from one partition to the other, either way") {
        CHECK(out_of_reach(neighbour, kInside, 81));
        CHECK(out_of_reach(inside, "10.7.0.2", 80));
        CHECK(does_not_ping(neighbour, kInside));
    }
    SECTION("out of a partition without nat or reach") {
        CHECK(out_of_reach(neighbour, Outside::kPeer4, 80));
        CHECK(seen_by(inside, Outside::kPeer4, 80) == Outside::kHost4);
    }
}

TEST_CASE("routed-nat: links that are not ours are forwarded as before", "[nat][gate][foreign]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const Netns second;
    const auto path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(second.fd());
    ip({"link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", path});
    ip({"addr", "add", "192.0.2.1/24", "dev", "lan"});
    ip({"link", "set", "lan", "up"});
    ip({"addr", "add", "192.0.2.2/24", "dev", "eth0"}, second.fd());
    ip({"link", "set", "eth0", "up"}, second.fd());
    ip({"route", "add", "default", "via", "192.0.2.1"}, second.fd());
    set_sysctl("net.ipv4.ip_forward", "1");
    REQUIRE(pings(second.fd(), Outside::kPeer4));

    sandbox.example("routed-nat");
    sandbox.apply();
    CHECK(pings(second.fd(), Outside::kPeer4));
    const Server server(outside.netns.fd(), Outside::kPeer4, 9000);
    CHECK(seen_by(second.fd(), Outside::kPeer4, 9000) == "192.0.2.2");
    // they are an outside, too
    const Server web(sandbox.netns("test_net"), kInside, 80);
    CHECK(seen_by(second.fd(), "192.0.2.1", 8080) == "192.0.2.2");
    CHECK(out_of_reach(second.fd(), kInside, 80));
}

TEST_CASE("routed-nat: reach opens what it names, and only that", "[nat][reach]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.write_config("neighbour.toml",
                         "[partition.neighbour]\nreach = [\"test_net\"]\n" + std::string(kNeighbour));
    sandbox.apply();
    const int inside = sandbox.netns("test_net");
    const int neighbour = sandbox.netns("neighbour");
    const Server web(inside, kInside, 81);
    const Server at_neighbour(neighbour, "10.7.0.2", 80);
    const Server at_outside(outside.netns.fd(), Outside::kPeer4, 80);

    CHECK(seen_by(neighbour, kInside, 81) == "10.7.0.2");
    CHECK(out_of_reach(inside, "10.7.0.2", 80));
    CHECK(out_of_reach(neighbour, Outside::kPeer4, 80));

    sandbox.write_config("neighbour.toml",
                         "[partition.neighbour]\nreach = [\"any\"]\n" + std::string(kNeighbour));
    sandbox.apply();
    CHECK(seen_by(neighbour, kInside, 81) == "10.7.0.2");
    CHECK(seen_by(neighbour, Outside::kPeer4, 80) == "10.7.0.2");

    sandbox.write_config("neighbour.toml", kNeighbour);
    sandbox.apply();
    CHECK(out_of_reach(neighbour, kInside, 81));
    CHECK(out_of_reach(neighbour, Outside::kPeer4, 80));
}

TEST_CASE("routed-nat: removed to the byte", "[nat][removal]") {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    sandbox.example("routed-nat");
    sandbox.apply();
    CHECK(has_partd_table());
    sandbox.remove_config("routed-nat.toml");
    sandbox.apply();
    CHECK_FALSE(has_partd_table());
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("forwarding is turned on only where it is needed, and not at all by hand", "[nat][sysctl]") {
    Sandbox sandbox;
    set_sysctl("net.ipv4.ip_forward", "0");
    SECTION("a partition that needs none") {
        sandbox.example("workshop");
        sandbox.apply();
        CHECK(sysctl("net.ipv4.ip_forward") == "0");
    }
    SECTION("never turned off again") {
        sandbox.example("routed-nat");
        sandbox.apply();
        CHECK(sysctl("net.ipv4.ip_forward") == "1");
        sandbox.remove_config("routed-nat.toml");
        sandbox.apply();
        CHECK(sysctl("net.ipv4.ip_forward") == "1");
    }
    SECTION("forwarding = manual") {
        sandbox.example("routed-nat");
        sandbox.write_config("host.toml", "[host]\nforwarding = \"manual\"\n");
        sandbox.apply();
        CHECK(sysctl("net.ipv4.ip_forward") == "0");
    }
}
