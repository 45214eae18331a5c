// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// Partition NAME at 10.INDEX.0.2 behind 10.INDEX.0.1, its port 80 at the host's LISTEN.
std::string partition(const std::string& name, int index, int listen, int to = 80) {
    const auto net = "10." + std::to_string(index) + ".0.";
    const auto table = "[[partition." + name;
    return "[partition." + name + ".link.eth0]\naddress = [\"" + net + "2/24\"]\npeer = { address = [\"" +
           net + "1/24\"] }\n" + table + ".route]]\nto = \"default\"\nvia = \"" + net + "1\"\n[partition." +
           name + ".nat]\nmasquerade = true\n" + table + ".nat.forward]]\nlisten = \"tcp/" +
           std::to_string(listen) + "\"\nto = \"" + net + "2:" + std::to_string(to) + "\"\n";
}

/// The events that `nft monitor` prints during the body.
std::string nft_events(const std::function<void()>& body) {
    Background monitor(Arguments{"nft", "monitor"});
    int mark = 0;
    const auto echo_of = [&] {
        const auto name = "mark" + std::to_string(++mark);
        output({"nft", "add", "table", "ip", name});
        output({"nft", "delete", "table", "ip", name});
        return monitor.written().find("delete table ip " + name) != std::string::npos;
    };
    REQUIRE(eventually(echo_of));
    const auto start = monitor.written().size();
    body();
    REQUIRE(eventually(echo_of));
    return monitor.written().substr(start);
}

/// The lines that tell of the table inet partd.
std::vector<std::string> about_partd(const std::string& events) {
    std::istringstream stream(events);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        if (line.find("inet partd") != std::string::npos) {
            lines.push_back(line);
        }
    }
    return lines;
}

}  // namespace

TEST_CASE("a change of one partition touches its elements only", "[nat][elements]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.write_config("a.toml", partition("a", 21, 8001));
    sandbox.write_config("b.toml", partition("b", 22, 8002));
    sandbox.apply();

    const auto only_elements_of = [](const std::vector<std::string>& lines, const std::string& theirs) {
        REQUIRE_FALSE(lines.empty());
        for (const auto& line : lines) {
            INFO(line);
            CHECK((line.starts_with("add element") || line.starts_with("create element") ||
                   line.starts_with("delete element")));
            CHECK(line.find(theirs) == std::string::npos);
        }
    };
    SECTION("another target") {
        const auto events = nft_events([&] {
            sandbox.write_config("b.toml", partition("b", 22, 8002, 81));
            sandbox.apply();
        });
        only_elements_of(about_partd(events), "8001");
    }
    SECTION("another partition more, and less") {
        auto events = nft_events([&] {
            sandbox.write_config("c.toml", partition("c", 23, 8003));
            sandbox.apply();
        });
        only_elements_of(about_partd(events), "8001");
        events = nft_events([&] {
            sandbox.remove_config("c.toml");
            sandbox.apply();
        });
        only_elements_of(about_partd(events), "8001");
    }
    SECTION("nothing to do, nothing sent") {
        CHECK(about_partd(nft_events([&] { sandbox.apply(); })).empty());
    }
}

TEST_CASE("open connections and counters of others survive", "[nat][lifetime]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    output({"nft", "-f", "-"},
           {.input = "table inet mine { chain c { type filter hook forward priority 10; counter; }; }"});
    sandbox.write_config("a.toml", partition("a", 21, 8001));
    sandbox.write_config("b.toml", partition("b", 22, 8002));
    sandbox.apply();
    const Server at_a(sandbox.netns("a"), "10.21.0.2", 80);
    const Server at_outside(outside.netns.fd(), Outside::kPeer4, 9000);
    const auto inwards = Connection::open(outside.netns.fd(), Outside::kHost4, 8001);
    const auto outwards = Connection::open(sandbox.netns("a"), Outside::kPeer4, 9000);
    REQUIRE(inwards);
    REQUIRE(outwards);
    const auto both_live = [&] { return inwards->alive() && outwards->alive(); };
    REQUIRE(both_live());
    const auto ours = counted_packets(output({"nft", "list", "table", "inet", "partd"}));
    REQUIRE(ours > 0);
    const auto theirs = counted_packets(output({"nft", "list", "table", "inet", "mine"}));

    sandbox.write_config("b.toml", partition("b", 22, 8005, 81));
    sandbox.apply();
    CHECK(both_live());
    sandbox.write_config("c.toml", partition("c", 23, 8003));
    sandbox.apply();
    CHECK(both_live());
    sandbox.remove_config("b.toml");
    sandbox.apply();
    CHECK(both_live());
    CHECK(counted_packets(output({"nft", "list", "table", "inet", "partd"})) >= ours);
    CHECK(counted_packets(output({"nft", "list", "table", "inet", "mine"})) > theirs);
}

TEST_CASE("a flush by others: rebuilt, open connections go on", "[nat][lifetime][drift]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("a.toml", partition("a", 21, 8001));
    sandbox.apply();
    const Server at_a(sandbox.netns("a"), "10.21.0.2", 80);
    const auto open = Connection::open(outside.netns.fd(), Outside::kHost4, 8001);
    REQUIRE(open);
    output({"nft", "flush", "ruleset"});
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(open->alive(4s));
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 8001).has_value());
}

TEST_CASE("a changed or removed forward ends the connections that it made", "[nat][conntrack]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("a.toml", partition("a", 21, 8001));
    sandbox.write_config("b.toml", partition("b", 22, 8002));
    sandbox.apply();
    const Server at_a(sandbox.netns("a"), "10.21.0.2", 80);
    const Server at_b(sandbox.netns("b"), "10.22.0.2", 80);
    const auto to_a = Connection::open(outside.netns.fd(), Outside::kHost4, 8001);
    const auto to_b = Connection::open(outside.netns.fd(), Outside::kHost4, 8002);
    REQUIRE(to_a);
    REQUIRE(to_b);
    REQUIRE(tracked(8001).size() == 1);
    REQUIRE(tracked(8002).size() == 1);

    SECTION("changed") {
        sandbox.write_config("b.toml", partition("b", 22, 8002, 81));
    }
    SECTION("removed") {
        sandbox.write_config("b.toml",
                             "[partition.b.link.eth0]\naddress = [\"10.22.0.2/24\"]\npeer = { address = "
                             "[\"10.22.0.1/24\"] }\n");
    }
    SECTION("with its partition") {
        sandbox.remove_config("b.toml");
    }
    sandbox.apply();
    CHECK(tracked(8002).empty());
    CHECK_FALSE(to_b->alive(500ms));
    CHECK(tracked(8001).size() == 1);
    CHECK(to_a->alive());
}

TEST_CASE("a changed IPv6 forward ends its connections", "[nat][conntrack][ipv6]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const auto six = [](const std::string& port) {
        return R"([partition.s.link.eth0]
address = ["fd00:31::2/64"]
peer = { address = ["fd00:31::1/64"] }
[[partition.s.route]]
to = "default"
via = "fd00:31::1"
[[partition.s.nat.forward]]
listen = "tcp/8006"
to = "[fd00:31::2]:)" +
               port + "\"\n";
    };
    sandbox.write_config("s.toml", six("80"));
    sandbox.apply();
    const Server server(sandbox.netns("s"), "fd00:31::2", 80);
    REQUIRE(seen_soon(outside.netns.fd(), Outside::kHost6, 8006).has_value());
    const auto open = Connection::open(outside.netns.fd(), Outside::kHost6, 8006);
    REQUIRE(open);
    REQUIRE_FALSE(tracked(8006, "ipv6").empty());
    sandbox.write_config("s.toml", six("81"));
    sandbox.apply();
    CHECK(tracked(8006, "ipv6").empty());
    CHECK_FALSE(open->alive(500ms));
}
