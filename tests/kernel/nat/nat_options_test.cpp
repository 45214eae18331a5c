// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// A partition behind the host with the given [partition.web.nat] part.
std::string web_with(const std::string& nat) {
    return R"(
[partition.web.link.eth0]
address = ["10.9.0.2/24"]
peer = { name = "web0", address = ["10.9.0.1/24"] }
[[partition.web.route]]
to = "default"
via = "10.9.0.1"
)" + nat;
}

std::string forward(const std::string& keys) {
    return web_with("[[partition.web.nat.forward]]\n" + keys);
}

constexpr const char* kInside = "10.9.0.2";
constexpr const char* kSecondHost = "203.0.113.7";
constexpr const char* kSecondPeer = "203.0.113.9";

void give_second_addresses(const Outside& outside) {
    ip({"addr", "add", "203.0.113.7/24", "dev", Outside::kLink});
    ip({"addr", "add", "203.0.113.9/24", "dev", "wan"}, outside.netns.fd());
}

}  // namespace

TEST_CASE("forward: only on the addresses that are named", "[nat][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    give_second_addresses(outside);
    sandbox.write_config(
        "web.toml", forward("listen = \"tcp/8080\"\nto = \"10.9.0.2:80\"\naddress = [\"203.0.113.7\"]\n"));
    sandbox.apply();
    const Server server(sandbox.netns("web"), kInside, 80);
    CHECK(seen_by(outside.netns.fd(), kSecondHost, 8080).has_value());
    CHECK(seen_by(kHere, kSecondHost, 8080).has_value());
    CHECK(seen_by(sandbox.netns("web"), kSecondHost, 8080).has_value());
    CHECK(out_of_reach(outside.netns.fd(), Outside::kHost4, 8080));
    CHECK(out_of_reach(kHere, "127.0.0.1", 8080));
}

TEST_CASE("forward: two partitions listen on one port at two addresses", "[nat][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    give_second_addresses(outside);
    sandbox.write_config(
        "web.toml", forward("listen = \"tcp/80\"\nto = \"10.9.0.2:80\"\naddress = [\"203.0.113.7\"]\n") + R"(
[partition.other.link.eth0]
address = ["10.19.0.2/24"]
peer = { address = ["10.19.0.1/24"] }
[[partition.other.route]]
to = "default"
via = "10.19.0.1"
[[partition.other.nat.forward]]
listen = "tcp/80"
to = "10.19.0.2:81"
address = ["203.0.113.1"]
)");
    sandbox.apply();
    const Server first(sandbox.netns("web"), kInside, 80);
    CHECK(seen_by(outside.netns.fd(), kSecondHost, 80).has_value());
    CHECK(out_of_reach(outside.netns.fd(), Outside::kHost4, 80));
    const Server second(sandbox.netns("other"), "10.19.0.2", 81);
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 80).has_value());
}

TEST_CASE("forward: only from the sources that are allowed", "[nat][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    give_second_addresses(outside);
    sandbox.write_config("web.toml", forward("listen = \"tcp/8080\"\nto = \"10.9.0.2:80\"\nfrom = "
                                             "[\"203.0.113.9/32\", \"198.51.100.0/24\"]\n"));
    sandbox.apply();
    const Server server(sandbox.netns("web"), kInside, 80);
    const int wan = outside.netns.fd();
    CHECK(seen_by(wan, Outside::kHost4, 8080, Transport::tcp, kSecondPeer) == kSecondPeer);
    CHECK(out_of_reach(wan, Outside::kHost4, 8080, Transport::tcp, Outside::kPeer4));
}

TEST_CASE("forward: a range of ports maps to an equal range", "[nat][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("web.toml", forward("listen = \"tcp/9000-9003\"\nto = \"10.9.0.2:7000\"\n"));
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const int wan = outside.netns.fd();
    const Server first(inside, kInside, 7000);
    CHECK(seen_by(wan, Outside::kHost4, 9000).has_value());
    CHECK(out_of_reach(wan, Outside::kHost4, 9003));
    const Server last(inside, kInside, 7003);
    CHECK(seen_by(wan, Outside::kHost4, 9003).has_value());
    CHECK(out_of_reach(wan, Outside::kHost4, 9001));
    const Server beyond(inside, kInside, 7004);
    CHECK(out_of_reach(wan, Outside::kHost4, 9004));
}

TEST_CASE("forward: UDP", "[nat][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("web.toml", forward("listen = \"udp/5000-5010\"\nto = \"10.9.0.2:5000\"\n"));
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const Server server(inside, kInside, 5003, Transport::udp);
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 5003, Transport::udp) == Outside::kPeer4);
    CHECK(seen_by(kHere, Outside::kHost4, 5003, Transport::udp).has_value());
    CHECK(seen_by(inside, Outside::kHost4, 5003, Transport::udp).has_value());
    const Server by_tcp(inside, kInside, 5003);
    CHECK(out_of_reach(outside.netns.fd(), Outside::kHost4, 5003));
}

TEST_CASE("masquerade: only what it names", "[nat][masquerade]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const int wan = outside.netns.fd();
    const Server server(wan, Outside::kPeer4, 9000);
    SECTION("the source and the interface") {
        sandbox.write_config(
            "web.toml",
            web_with("[partition.web.nat]\nmasquerade = [{ source = \"10.9.0.0/24\", out = \"uplink\" }]\n"));
        sandbox.apply();
        CHECK(seen_by(sandbox.netns("web"), Outside::kPeer4, 9000) == Outside::kHost4);
    }
    SECTION("another source stays as it is") {
        sandbox.write_config("web.toml", "[partition.web]\nreach = [\"outside\"]\n" +
                                             web_with("[partition.web.nat]\nmasquerade = [{ source = "
                                                      "\"10.9.0.128/25\", out = \"uplink\" }]\n"));
        sandbox.apply();
        CHECK(seen_by(sandbox.netns("web"), Outside::kPeer4, 9000) == kInside);
    }
}

TEST_CASE("masquerade: a source of another length, and of another family", "[nat][masquerade][edit]") {
    Sandbox sandbox;
    const auto masquerades = [&](const std::string& source) {
        sandbox.write_config(
            "web.toml", web_with("[partition.web.nat]\nmasquerade = [{ source = \"" + source + "\" }]\n"));
        sandbox.apply();
        return partd_table();
    };
    const auto longer = masquerades("10.9.0.0/25");
    CHECK(longer.find("set masq4_25 ") != std::string::npos);
    const auto other = masquerades("fd00:9::/48");
    CHECK(other.find("set masq6_48 ") != std::string::npos);
    CHECK(other.find("masq4_") == std::string::npos);
    CHECK(other.find("back4_") == std::string::npos);
    const auto again = masquerades("10.9.0.0/25");
    CHECK(again.find("set masq4_25 ") != std::string::npos);
    CHECK(again.find("masq6_") == std::string::npos);
}

TEST_CASE("forward: one with a long name goes when its file does", "[nat][forward][names]") {
    Sandbox sandbox;
    // with the partition's it is too long for a comment of nft(8)
    const std::string name(64, 'n');
    const std::string link = "[partition." + name + ".link.eth0]\naddress = [\"fd00:9::2/64\"]\n" +
                             "peer = { name = \"n0\", address = [\"fd00:9::1/64\"] }\n";
    sandbox.write_config("n.toml", link + "[[partition." + name + ".nat.forward]]\nlisten = \"tcp/1004\"\n" +
                                       "to = \"[fd00:9::2]:81\"\nfrom = [\"2001:db8:1::/48\"]\n");
    sandbox.apply();
    CHECK(partd_table().find("1004") != std::string::npos);
    sandbox.write_config("n.toml", link);
    sandbox.apply();
    CHECK(partd_table().find("1004") == std::string::npos);
}

TEST_CASE("a set of others under one of our names, of another type", "[nat][foreign]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", web_with(""));
    sandbox.apply();
    const auto intact = partd_table();
    output({"nft", "-f", "-"}, {.input = "add set inet partd masq4_9 { type inet_service; }\n"
                                         "add element inet partd masq4_9 { 80 }\n"
                                         "add map inet partd fwdto6_48 { type inet_service : verdict; }\n"
                                         "add element inet partd fwdto6_48 { 80 : accept }\n"});
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(partd_table() == intact);
}

TEST_CASE("snat: the address that is asked for", "[nat][snat]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    give_second_addresses(outside);
    sandbox.write_config("web.toml",
                         "[partition.web]\nreach = [\"outside\"]\n" + web_with(R"([partition.web.nat]
snat = [{ source = "10.9.0.0/24", to = "203.0.113.7", out = "uplink" }]
)"));
    sandbox.apply();
    const Server server(outside.netns.fd(), Outside::kPeer4, 9000);
    CHECK(seen_by(sandbox.netns("web"), Outside::kPeer4, 9000) == kSecondHost);
}

TEST_CASE("snat: IPv6", "[nat][snat][ipv6]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    ip({"addr", "add", "2001:db8:ff::7/64", "dev", Outside::kLink, "nodad"});
    sandbox.write_config("web.toml", R"(
[partition.web]
reach = ["outside"]
[partition.web.link.eth0]
address = ["fd00:9::2/64"]
peer = { address = ["fd00:9::1/64"] }
[[partition.web.route]]
to = "default"
via = "fd00:9::1"
[partition.web.nat]
snat = [{ source = "fd00:9::/64", to = "2001:db8:ff::7", out = "uplink" }]
)");
    sandbox.apply();
    const Server server(outside.netns.fd(), Outside::kPeer6, 9000);
    CHECK(seen_soon(sandbox.netns("web"), Outside::kPeer6, 9000) == "2001:db8:ff::7");
}
