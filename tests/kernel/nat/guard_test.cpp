// SPDX-License-Identifier: Apache-2.0
// Others' packets on a host that forwards because of partd: between a neighbour, a VPN and containers.
#include "daemon_fixture.h"
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr const char* kDual = R"([partition.web.link.eth0]
address = ["10.1.1.1/24", "fd00:1::1/64"]
peer = { name = "web0", address = ["10.1.1.2/24", "fd00:1::2/64"] }
[[partition.web.route]]
to = "default"
via = "10.1.1.2"
[partition.web.nat]
masquerade = true
[[partition.web.nat.forward]]
listen = "tcp/8080"
to = "10.1.1.1:80"
)";

constexpr const char* kVpn4 = "10.250.0.2";
constexpr const char* kVpn6 = "fd00:250::2";
constexpr const char* kContainer = "172.30.0.2";

std::string path_of(const Netns& netns) {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(netns.fd());
}

/// A host with a neighbour on its uplink, a VPN beyond another link, and a container behind a bridge, to
/// whose port 80 leads the host's 8081, as docker makes it.
struct Place {
    Sandbox sandbox;
    const Outside& outside = sandbox.outside();
    Netns vpn;
    Netns container;

    explicit Place(const std::string& forwarding) {
        set_sysctl("net.ipv4.ip_forward", forwarding);
        set_sysctl("net.ipv6.conf.all.forwarding", forwarding);
        ip({"link", "add", "vpn0", "type", "veth", "peer", "name", "far", "netns", path_of(vpn)});
        ip({"address", "add", "10.250.0.1/24", "dev", "vpn0"});
        ip({"address", "add", "fd00:250::1/64", "dev", "vpn0", "nodad"});
        ip({"link", "set", "vpn0", "up"});
        ip({"address", "add", std::string(kVpn4) + "/24", "dev", "far"}, vpn.fd());
        ip({"address", "add", std::string(kVpn6) + "/64", "dev", "far", "nodad"}, vpn.fd());
        ip({"link", "set", "far", "up"}, vpn.fd());
        ip({"route", "add", "default", "via", "10.250.0.1"}, vpn.fd());
        ip({"-6", "route", "add", "default", "via", "fd00:250::1"}, vpn.fd());
        ip({"link", "add", "dk0", "type", "bridge"});
        ip({"address", "add", "172.30.0.1/24", "dev", "dk0"});
        ip({"link", "set", "dk0", "up"});
        ip({"link", "add", "dk1", "type", "veth", "peer", "name", "eth0", "netns", path_of(container)});
        ip({"link", "set", "dk1", "master", "dk0", "up"});
        ip({"address", "add", std::string(kContainer) + "/24", "dev", "eth0"}, container.fd());
        ip({"link", "set", "eth0", "up"}, container.fd());
        ip({"route", "add", "default", "via", "172.30.0.1"}, container.fd());
        output({"nft", "-f", "-"}, {.input = "table ip docker { chain pre { type nat hook prerouting "
                                             "priority -100; tcp dport 8081 dnat to 172.30.0.2:80; }; }"});
    }
    [[nodiscard]] int neighbour() const { return outside.netns.fd(); }
};

/// Servers in the VPN and in the container, and whether the neighbour gets to them.
struct Ways {
    explicit Ways(const Place& there)
        : place(there),
          four(place.vpn.fd(), kVpn4, 80),
          six(place.vpn.fd(), kVpn6, 80),
          inside(place.container.fd(), kContainer, 80),
          beyond(place.neighbour(), Outside::kPeer4, 9000) {}

    void are_open() const {
        CHECK(seen_by(place.neighbour(), kVpn4, 80) == Outside::kPeer4);
        CHECK(seen_soon(place.neighbour(), kVpn6, 80) == Outside::kPeer6);
        CHECK(seen_by(place.neighbour(), kContainer, 80) == Outside::kPeer4);
    }
    void are_closed() const {
        CHECK(out_of_reach(place.neighbour(), kVpn4, 80));
        CHECK(out_of_reach(place.neighbour(), kVpn6, 80));
        CHECK(out_of_reach(place.neighbour(), kContainer, 80));
    }
    /// Published ports, and connections from this host's side, work.
    void of_containers_work() const {
        CHECK(seen_by(place.neighbour(), Outside::kHost4, 8081) == Outside::kPeer4);
        CHECK(seen_by(place.container.fd(), Outside::kPeer4, 9000) == kContainer);
    }

    const Place& place;
    Server four, six, inside, beyond;
};

}  // namespace

TEST_CASE("guard: a host that partd has made a router forwards for nobody else", "[nat][guard]") {
    Place place("0");
    const Ways ways(place);
    place.sandbox.write_config("web.toml", kDual);
    place.sandbox.apply();
    REQUIRE(sysctl("net.ipv4.ip_forward") == "1");
    REQUIRE(sysctl("net.ipv6.conf.all.forwarding") == "1");
    ways.are_closed();
    ways.of_containers_work();
    const Server web(place.sandbox.netns("web"), "10.1.1.1", 80);
    CHECK(seen_by(place.neighbour(), Outside::kHost4, 8080) == Outside::kPeer4);
    CHECK(seen_by(place.sandbox.netns("web"), Outside::kPeer4, 9000) == Outside::kHost4);

    SECTION("doctor tells") {
        CHECK(place.sandbox.partctl({"doctor"}).out.find("forwards for partitions only") !=
              std::string::npos);
    }
    SECTION("also after the ruleset was flushed and put back") {
        output({"nft", "delete", "table", "inet", "partd"});
        place.sandbox.apply();
        ways.are_closed();
    }
    SECTION("also after everything was removed") {
        place.sandbox.close_netns();
        place.sandbox.remove_config("web.toml");
        place.sandbox.apply();
        REQUIRE(sysctl("net.ipv4.ip_forward") == "1");
        ways.are_closed();
        ways.of_containers_work();
        // and when something is declared again, it is still known who turned forwarding on
        place.sandbox.write_config("web.toml", kDual);
        place.sandbox.apply();
        ways.are_closed();
    }
    SECTION("when the administrator's files want a router") {
        write_file("/etc/sysctl.d/router.conf",
                   "# router\nnet.ipv4.ip_forward = 1\nnet/ipv6/conf/all/forwarding=1\n");
        CHECK(place.sandbox.diff() == 1);
        place.sandbox.apply();
        ways.are_open();
    }
    SECTION("when forwarding is to be the administrator's matter") {
        place.sandbox.write_config("host.toml", "[host]\nforwarding = \"manual\"\n");
        place.sandbox.apply();
        ways.are_open();
    }
}

TEST_CASE("guard: a host that was a router before stays one", "[nat][guard]") {
    Place place("1");
    const Ways ways(place);
    ways.are_open();
    place.sandbox.write_config("web.toml", kDual);
    place.sandbox.apply();
    ways.are_open();
    ways.of_containers_work();
    place.sandbox.remove_config("web.toml");
    place.sandbox.apply();
    CHECK_FALSE(has_partd_table());
    ways.are_open();
}

TEST_CASE("guard: links that forwarded by their own switch go on", "[nat][guard]") {
    Place place("0");
    set_sysctl("net.ipv4.conf.uplink.forwarding", "1");
    set_sysctl("net.ipv4.conf.vpn0.forwarding", "1");
    const Ways ways(place);
    const auto as_before = [&] {
        CHECK(seen_by(place.neighbour(), kVpn4, 80) == Outside::kPeer4);
        CHECK(out_of_reach(place.neighbour(), kVpn6, 80));
    };
    as_before();
    place.sandbox.write_config("web.toml", kDual);
    place.sandbox.apply();
    REQUIRE(sysctl("net.ipv4.ip_forward") == "1");
    as_before();
    output({"nft", "flush", "ruleset"});
    place.sandbox.apply();
    as_before();
}

TEST_CASE("guard: it stands before the host forwards", "[nat][guard]") {
    Place place("0");
    place.sandbox.write_config("web.toml", kDual);
    const auto plan = place.sandbox.partctl_json({"diff"});
    const auto place_of = [&](const std::string& kind) {
        std::size_t at = 0;
        while (at < plan.at("changes").size() && plan.at("changes").at(at).at("kind") != kind) {
            ++at;
        }
        return at;
    };
    CHECK(place_of("nftables") < place_of("guard"));
    CHECK(place_of("guard") < place_of("sysctl"));
    CHECK(place_of("sysctl") < plan.at("changes").size());
}

TEST_CASE("guard: an uplink that is a bridge, as it comes under partd", "[nat][guard][daemon]") {
    Place place("0");
    place.sandbox.write_config("web.toml", kDual);
    const Daemon daemon;
    REQUIRE(converged(place.sandbox));
    const Ways ways(place);
    ways.are_closed();
    // the default route goes over to a bridge
    ip({"link", "add", "br0", "type", "bridge"});
    ip({"link", "set", "br0", "up"});
    ip({"address", "flush", "dev", "uplink"});
    ip({"link", "set", "uplink", "master", "br0"});
    ip({"address", "add", std::string(Outside::kHost4) + "/24", "dev", "br0"});
    ip({"route", "add", "default", "via", Outside::kPeer4});
    CHECK(eventually([] { return partd_table().find("\"br0\"") != std::string::npos; }));
    CHECK(seen_soon(kHere, Outside::kPeer4, 9000) == Outside::kHost4);
    CHECK(out_of_reach(place.neighbour(), kVpn4, 80));
    CHECK(out_of_reach(place.neighbour(), kContainer, 80));
    // without any default route it stays an uplink: the route is to come back
    ip({"route", "delete", "default"});
    CHECK(remains([] { return partd_table().find("\"br0\"") != std::string::npos; }, 300ms));
    // it is none any more when both families go another way
    ip({"link", "set", "uplink", "nomaster"});
    ip({"address", "flush", "dev", "br0"});
    ip({"address", "add", std::string(Outside::kHost4) + "/24", "dev", "uplink"});
    ip({"address", "add", std::string(Outside::kHost6) + "/64", "dev", "uplink", "nodad"});
    ip({"route", "add", "default", "via", Outside::kPeer4});
    ip({"-6", "route", "replace", "default", "via", Outside::kPeer6});
    INFO(partd_table());
    CHECK(eventually([] { return partd_table().find("\"br0\"") == std::string::npos; }));
    CHECK(seen_soon(kHere, Outside::kPeer4, 9000) == Outside::kHost4);
    ways.are_closed();
}
