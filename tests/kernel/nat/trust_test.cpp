// SPDX-License-Identifier: Apache-2.0
// A partition that is an enemy, and neighbours of the host: nobody gets where nothing is declared.
#include "daemon_fixture.h"
#include "host_view.h"
#include "members.h"

#include <array>
#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr const char* kNat = "[partition.rogue.nat]\nmasquerade = true\n";

std::string default_routes6(int netns = kHere) {
    return routes("default", netns, "main", "-6").dump();
}

/// Has every advertisement that it can send arrive, and time to work.
void advertise(int netns, const std::string& link) {
    for (int i = 0; i < 3; ++i) {
        advertise_router(netns, link);
    }
    std::this_thread::sleep_for(200ms);
}

void flush_all() {
    output({"nft", "flush", "ruleset"});
}

/// The namespace sends from these addresses of others, by the link to the host.
void pretend(int netns, const Arguments& addresses) {
    for (const auto& address : addresses) {
        ip({"address", "add", address, "dev", "lo", "nodad"}, netns);
    }
}

/// 127.0.0.0/8 leads out of the namespace, to `via` by `link`.
void send_loopback_out(int netns, const std::string& link, const std::string& via,
                       const std::string& source) {
    set_sysctl("net.ipv4.conf." + link + ".route_localnet", "1", netns);
    ip({"address", "del", "127.0.0.1/8", "dev", "lo"}, netns);
    ip({"route", "add", "127.0.0.0/8", "via", via, "dev", link, "src", source}, netns);
}

}  // namespace

TEST_CASE("trust: a router advertisement from a partition changes no route of the host's", "[trust]") {
    Sandbox sandbox;
    sandbox.write_config("rogue.toml", member("rogue", "1"));
    sandbox.apply();
    const int rogue = sandbox.netns("rogue");
    const auto before = default_routes6();

    advertise(rogue, "eth0");
    CHECK(default_routes6() == before);
    sandbox.write_config("rogue.toml", member("rogue", "1") + kNat);
    sandbox.apply();
    CHECK(sysctl("net.ipv6.conf.rogue0.accept_ra") == "0");
    advertise(rogue, "eth0");
    CHECK(default_routes6() == before);

    // nothing of that hangs on the table
    set_sysctl("net.ipv6.conf.all.forwarding", "0");
    flush_all();
    advertise(rogue, "eth0");
    CHECK(default_routes6() == before);
}

TEST_CASE("trust: what somebody turned on again on a host's end is put back", "[trust]") {
    Sandbox sandbox;
    sandbox.write_config("rogue.toml", member("rogue", "1"));
    sandbox.apply();
    for (const char* key :
         {"net.ipv6.conf.rogue0.accept_ra", "net.ipv6.conf.rogue0.accept_redirects",
          "net.ipv4.conf.rogue0.accept_redirects", "net.ipv4.conf.rogue0.accept_source_route"}) {
        CHECK(sysctl(key) == "0");
        set_sysctl(key, "1");
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
        CHECK(sysctl(key) == "0");
    }
}

TEST_CASE("trust: partitions do not become each other's router by themselves", "[trust]") {
    Sandbox sandbox;
    const std::string pair =
        "[partition.far]\n[partition.rogue.link.to_far]\naddress = [\"fd00:9::1/64\"]\n"
        "peer = { partition = \"far\", name = \"eth1\", address = [\"fd00:9::2/64\"] }\n";
    sandbox.write_config("pair.toml", pair);
    sandbox.apply();
    const int far = sandbox.netns("far");
    const int rogue = sandbox.netns("rogue");
    const auto before = default_routes6(far);
    advertise(rogue, "to_far");
    CHECK(default_routes6(far) == before);
    advertise(far, "eth1");
    CHECK(default_routes6(rogue).find("to_far") == std::string::npos);

    // but where a file says so
    sandbox.write_config("pair.toml", pair + "[partition.far.sysctl]\nnet.ipv6.conf.eth1.accept_ra = 1\n");
    sandbox.apply();
    CHECK(eventually([&] {
        advertise_router(rogue, "to_far");
        return default_routes6(far).find("eth1") != std::string::npos;
    }));
}

TEST_CASE("trust: nobody sends from an address that is not behind his link", "[trust]") {
    const auto filter = GENERATE(as<std::string>{}, "0", "1", "2");
    CAPTURE(filter);
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("rogue.toml",
                         member("rogue", "1") + kNat +
                             "[[partition.victim.nat.forward]]\nlisten = \"udp/53\"\nto = \"10.2.1.1:53\"\n" +
                             "[partition.victim.nat]\nmasquerade = true\n");
    sandbox.write_config("victim.toml", member("victim", "2", "reach = []\n"));
    sandbox.apply();
    set_sysctl("net.ipv4.conf.all.rp_filter", filter);
    set_sysctl("net.ipv4.conf.rogue0.rp_filter", filter);
    const int rogue = sandbox.netns("rogue");
    const Datagrams four(outside.netns.fd(), Outside::kPeer4, 9000);
    const Datagrams six(outside.netns.fd(), Outside::kPeer6, 9000);

    pretend(rogue, {"10.2.1.1/32", "fd00:2::1/128", "198.51.100.7/32"});
    for (const char* source : {"10.2.1.1", "198.51.100.7"}) {
        CAPTURE(source);
        Datagrams(rogue, source, 9000).send("forged", Outside::kPeer4, 9000);
        CHECK_FALSE(four.receive(300ms));
    }
    Datagrams(rogue, "fd00:2::1", 9000).send("forged", Outside::kPeer6, 9000);
    CHECK_FALSE(six.receive(300ms));
    // the host itself believes it no more than others do
    const Datagrams host(kHere, "10.1.1.2", 9001);
    Datagrams(rogue, "10.2.1.1", 9001).send("forged", "10.1.1.2", 9001);
    CHECK_FALSE(host.receive(300ms));

    Datagrams(rogue, "10.1.1.1", 9002).send("own", Outside::kPeer4, 9000);
    CHECK(four.receive());
    CHECK(eventually([&] {
        Datagrams(rogue, "fd00:1::1", 9002).send("own", Outside::kPeer6, 9000);
        return six.receive(200ms).has_value();
    }));
}

TEST_CASE("trust: a partition with two links sends by the one that the source belongs to", "[trust]") {
    Sandbox sandbox;
    const std::string second =
        "[partition.web.link.eth1]\naddress = [\"10.3.1.1/24\"]\npeer = { name = \"web1\", "
        "address = [\"10.3.1.2/24\"] }\n";
    sandbox.write_config("web.toml", member("web", "1") + second);
    sandbox.apply();
    const int web = sandbox.netns("web");
    const Datagrams host(kHere, "10.1.1.2", 9000);
    Datagrams(web, "10.3.1.1", 9001).send("by eth0", "10.1.1.2", 9000);
    CHECK_FALSE(host.receive(300ms));
    Datagrams(web, "10.1.1.1", 9001).send("by eth0", "10.1.1.2", 9000);
    CHECK(host.receive());
    // a rule sends it by its own link
    sandbox.write_config("web.toml",
                         member("web", "1") + second +
                             "[[partition.web.rule]]\nfrom = \"10.3.1.0/24\"\ntable = 3\npriority = 100\n"
                             "[[partition.web.route]]\nto = \"default\"\nvia = \"10.3.1.2\"\ntable = 3\n");
    sandbox.apply();
    Datagrams(web, "10.3.1.1", 9001).send("by eth1", "10.1.1.2", 9000);
    CHECK(host.receive());
}

TEST_CASE("trust: the host's loopback is out of a partition's reach, whatever became of the ruleset",
          "[trust]") {
    Sandbox sandbox;
    sandbox.write_config(
        "rogue.toml", member("rogue", "1") +
                          "[[partition.rogue.nat.forward]]\nlisten = \"tcp/8080\"\nto = \"10.1.1.1:80\"\n");
    sandbox.apply();
    const int rogue = sandbox.netns("rogue");
    const Server web(rogue, "10.1.1.1", 80);
    REQUIRE(seen_by(kHere, "127.0.0.1", 8080));
    REQUIRE(sysctl("net.ipv4.conf.rogue0.route_localnet") == "1");
    send_loopback_out(rogue, "eth0", "10.1.1.2", "10.1.1.1");
    const Datagrams service(kHere, "127.0.0.1", 9000);
    const Datagrams everywhere(kHere, "0.0.0.0", 9001);

    const auto tries = [&] {
        Datagrams(rogue, "10.1.1.1", 9000).send("in", "127.0.0.1", 9000);
        CHECK_FALSE(service.receive(300ms));
        ip({"address", "add", "127.0.0.5/32", "dev", "lo"}, rogue);
        Datagrams(rogue, "127.0.0.5", 9001).send("in", "10.1.1.2", 9001);
        CHECK_FALSE(everywhere.receive(300ms));
        ip({"address", "del", "127.0.0.5/32", "dev", "lo"}, rogue);
    };
    tries();
    flush_all();
    tries();

    sandbox.remove_config("rogue.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
}

TEST_CASE("trust: a forward at 127.0.0.1 is the host's alone", "[trust][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const auto where = GENERATE(as<std::string>{}, "", "address = [\"127.0.0.1\"]\n");
    sandbox.write_config("web.toml", member("web", "1") +
                                         "[[partition.web.nat.forward]]\nlisten = \"tcp/8080\"\n" +
                                         "to = \"10.1.1.1:80\"\n" + where);
    sandbox.apply();
    const Server web(sandbox.netns("web"), "10.1.1.1", 80);
    CHECK(seen_by(kHere, "127.0.0.1", 8080));
    send_loopback_out(outside.netns.fd(), "wan", Outside::kHost4, Outside::kPeer4);
    CHECK(out_of_reach(outside.netns.fd(), "127.0.0.1", 8080));
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 8080).has_value() == where.empty());
}

TEST_CASE("trust: the host's own services are for those who may reach the host", "[trust][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const Server at_uplink(kHere, Outside::kHost4, 22);
    const auto reaches = [&](const std::string& reach) {
        sandbox.write_config("web.toml", member("web", "1", reach.empty() ? "" : "reach = " + reach + "\n"));
        sandbox.apply();
        const int web = sandbox.netns("web");
        const Server tcp(kHere, "10.1.1.2", 22);
        const Server udp(kHere, "10.1.1.2", 53, Transport::udp);
        const Server six(kHere, "fd00:1::2", 22);
        // what the two ends of a link need of each other
        CHECK(pings(web, "10.1.1.2"));
        CHECK(pings(web, "fd00:1::2"));
        CHECK(pings(kHere, "10.1.1.1"));
        // and the host may always
        const Server inside(web, "10.1.1.1", 80);
        CHECK(seen_by(kHere, "10.1.1.1", 80) == "10.1.1.2");

        const bool is = seen_by(web, "10.1.1.2", 22).has_value();
        CHECK(seen_by(web, "10.1.1.2", 53, Transport::udp).has_value() == is);
        CHECK(seen_by(web, "fd00:1::2", 22).has_value() == is);
        CHECK(seen_by(web, Outside::kHost4, 22).has_value() == is);
        CHECK(does_not_ping(web, Outside::kHost4) != is);
        return is;
    };
    CHECK(reaches(""));
    CHECK(reaches("[\"host\"]"));
    CHECK(reaches("[\"any\"]"));
    CHECK_FALSE(reaches("[]"));
    CHECK_FALSE(reaches("[\"outside\"]"));
    CHECK(outside.netns.fd() >= 0);
}

TEST_CASE("trust: a port that others publish is for those who may reach the host or the outside",
          "[trust][gate]") {
    Sandbox sandbox;
    // as docker does it: a namespace behind a bridge, its port 80 at every address of the host
    set_sysctl("net.ipv4.ip_forward", "1");
    ip({"netns", "add", "container"});
    ip({"link", "add", "docker0", "type", "bridge"});
    ip({"address", "add", "172.17.0.1/16", "dev", "docker0"});
    ip({"link", "set", "docker0", "up"});
    ip({"link", "add", "vethc", "type", "veth", "peer", "name", "eth0", "netns", "container"});
    ip({"link", "set", "vethc", "master", "docker0", "up"});
    const int container = sandbox.netns("container");
    ip({"address", "add", "172.17.0.2/16", "dev", "eth0"}, container);
    ip({"link", "set", "eth0", "up"}, container);
    ip({"route", "add", "default", "via", "172.17.0.1"}, container);
    output(
        {"nft",
         "table ip others { chain prerouting { type nat hook prerouting priority -100; fib daddr type local "
         "tcp dport 8080 dnat to 172.17.0.2:80; fib daddr type local udp dport 8080 dnat to 172.17.0.2:80; "
         "}; }"});
    const Server published(container, "172.17.0.2", 80);
    const Server published_udp(container, "172.17.0.2", 80, Transport::udp);
    const auto reaches = [&](const std::string& reach) {
        sandbox.write_config("web.toml", member("web", "1", reach));
        sandbox.apply();
        const int web = sandbox.netns("web");
        const bool is = seen_by(web, "10.1.1.2", 8080).has_value();
        CHECK(seen_by(web, "10.1.1.2", 8080, Transport::udp).has_value() == is);
        return is;
    };
    CHECK(reaches(""));
    CHECK(reaches("reach = [\"host\"]\n"));
    CHECK(reaches("reach = [\"outside\"]\n"));
    CHECK(reaches("reach = [\"any\"]\n"));
    CHECK_FALSE(reaches("reach = []\n"));

    // a forward of partd's own is open to those that it lets in, also to one that reaches nobody
    sandbox.write_config("shop.toml", member("shop", "2") +
                                          "[[partition.shop.nat.forward]]\nlisten = \"tcp/8081\"\n"
                                          "to = \"10.2.1.1:80\"\n");
    CHECK_FALSE(reaches("reach = []\n"));
    const Server inside(sandbox.netns("shop"), "10.2.1.1", 80);
    CHECK(seen_by(sandbox.netns("web"), "10.1.1.2", 8081).has_value());
}

TEST_CASE("trust: connections end with the reach that allowed them", "[trust][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const auto declare = [&](const std::string& reach) {
        sandbox.write_config("a.toml", member("a", "1", "reach = " + reach + "\n"));
        sandbox.write_config("b.toml", member("b", "2", "reach = []\n"));
        sandbox.apply();
    };
    declare("[\"b\", \"outside\", \"host\"]");
    ip({"route", "add", "10.1.1.0/24", "via", Outside::kHost4}, outside.netns.fd());
    const int a = sandbox.netns("a");
    const Server at_b(sandbox.netns("b"), "10.2.1.1", 80);
    const Server at_outside(outside.netns.fd(), Outside::kPeer4, 80);
    const Server at_host(kHere, "10.1.1.2", 80);
    const auto to_b = Connection::open(a, "10.2.1.1", 80);
    const auto to_outside = Connection::open(a, Outside::kPeer4, 80);
    const auto to_host = Connection::open(a, "10.1.1.2", 80);
    REQUIRE((to_b && to_outside && to_host));
    CHECK((to_b->alive() && to_outside->alive() && to_host->alive()));

    declare("[\"outside\", \"host\"]");
    CHECK_FALSE(to_b->alive(500ms));
    CHECK((to_outside->alive() && to_host->alive()));
    declare("[\"host\"]");
    CHECK_FALSE(to_outside->alive(500ms));
    CHECK(to_host->alive());
    declare("[]");
    CHECK_FALSE(to_host->alive(500ms));
}

TEST_CASE("trust: flows end with the translation that they had, and those alone", "[trust][nat]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    ip({"address", "add", "203.0.113.7/24", "dev", Outside::kLink});
    ip({"route", "add", "10.0.0.0/8", "via", Outside::kHost4}, outside.netns.fd());
    const auto declare = [&](const std::string& nat) {
        sandbox.write_config(
            "a.toml", member("a", "1", "reach = [\"outside\"]\n") + "[partition.a.nat]\n" + nat + "\n");
        sandbox.apply();
    };
    sandbox.write_config("b.toml", member("b", "2") + "[partition.b.nat]\nmasquerade = true\n");
    declare("masquerade = true");
    const Server server(outside.netns.fd(), Outside::kPeer4, 80);
    const auto others = Connection::open(sandbox.netns("b"), Outside::kPeer4, 80);
    REQUIRE(others);
    const auto connect = [&](const std::string& as) {
        auto connection = Connection::open(sandbox.netns("a"), Outside::kPeer4, 80);
        REQUIRE(connection);
        CHECK(connection->seen_as() == as);
        return connection;
    };
    const auto masqueraded = connect(Outside::kHost4);
    declare("masquerade = [{ source = \"10.1.1.0/24\", out = \"uplink\" }]");
    CHECK(masqueraded->alive());  // as it would be now
    declare("snat = [{ source = \"10.1.1.0/24\", to = \"203.0.113.7\" }]");
    CHECK_FALSE(masqueraded->alive(500ms));
    const auto translated = connect("203.0.113.7");
    declare("masquerade = true");
    CHECK_FALSE(translated->alive(500ms));
    const auto again = connect(Outside::kHost4);
    declare("masquerade = false");
    CHECK_FALSE(again->alive(500ms));
    const auto plain = connect("10.1.1.1");
    declare("masquerade = true");
    CHECK_FALSE(plain->alive(500ms));
    CHECK(others->alive());
}

TEST_CASE("trust: a partition cannot take a forward's or a server's port by its own", "[trust][nat]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config(
        "all.toml", member("rogue", "1") + kNat + member("victim", "2") +
                        "[[partition.victim.nat.forward]]\nlisten = \"udp/1405\"\nto = \"10.2.1.1:1405\"\n"
                        "[[partition.victim.nat.forward]]\nlisten = \"udp/41405\"\nto = \"10.2.1.1:1405\"\n"
                        "[[partition.victim.nat.forward]]\nlisten = \"udp/41406\"\nto = \"10.2.1.1:1405\"\n"
                        "address = [\"203.0.113.1\"]\n");
    sandbox.apply();
    const int rogue = sandbox.netns("rogue");
    const Datagrams victim(sandbox.netns("victim"), "10.2.1.1", 1405);
    const Datagrams service(kHere, Outside::kHost4, 1406);
    for (const std::uint16_t port : std::to_array<std::uint16_t>({1405, 41405, 41406, 1406})) {
        CAPTURE(port);
        const Datagrams peer(outside.netns.fd(), Outside::kPeer4, static_cast<std::uint16_t>(port + 10'000));
        const Datagrams shadow(rogue, "10.1.1.1", port);
        shadow.send("first", Outside::kPeer4, static_cast<std::uint16_t>(port + 10'000));
        (void)peer.receive(300ms);
        peer.send("to the service", Outside::kHost4, port);
        CHECK((port == 1406 ? service : victim).receive());
        CHECK_FALSE(shadow.receive(200ms));
    }
    // its own connections go on as ever
    const Server server(outside.netns.fd(), Outside::kPeer4, 80);
    CHECK(seen_by(rogue, Outside::kPeer4, 80) == Outside::kHost4);
}

TEST_CASE("trust: without the table a partition is closed, whoever flushed it", "[trust][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config(
        "all.toml",
        member("a", "1", "reach = [\"host\", \"outside\"]\n") + member("b", "2") +
            member("c", "3", "reach = []\n") +
            "[partition.a.link.to_c]\naddress = [\"10.9.1.1/24\"]\npeer = { partition = \"c\", name = "
            "\"to_a\", address = [\"10.9.1.2/24\"] }\n");
    sandbox.apply();
    ip({"route", "add", "10.0.0.0/8", "via", Outside::kHost4}, outside.netns.fd());
    ip({"route", "add", "fd00::/16", "via", Outside::kHost6}, outside.netns.fd());
    const int a = sandbox.netns("a");
    const int b = sandbox.netns("b");
    const Datagrams host4(kHere, "10.1.1.2", 9000);
    const Datagrams host6(kHere, "fd00:1::2", 9000);
    const Datagrams elsewhere(kHere, Outside::kHost4, 9000);
    const Datagrams peer4(outside.netns.fd(), Outside::kPeer4, 9000);
    const Datagrams peer6(outside.netns.fd(), Outside::kPeer6, 9000);
    const Datagrams b4(b, "10.2.1.1", 9000);
    const Datagrams b6(b, "fd00:2::1", 9000);
    const Datagrams from4(a, "10.1.1.1", 9000);
    const Datagrams from6(a, "fd00:1::1", 9000);
    const auto arrives = [](const Datagrams& from, const std::string& at, const Datagrams& to) {
        from.send("x", at, 9000);
        return to.receive(300ms).has_value();
    };
    const auto open = [&] {
        std::vector<std::string> all;
        const auto note = [&](const char* what, bool arrived) {
            if (arrived) {
                all.emplace_back(what);
            }
        };
        note("host", arrives(from4, "10.1.1.2", host4));
        note("host IPv6", arrives(from6, "fd00:1::2", host6));
        note("host's uplink", arrives(from4, Outside::kHost4, elsewhere));
        note("outside", arrives(from4, Outside::kPeer4, peer4));
        note("outside IPv6", arrives(from6, Outside::kPeer6, peer6));
        note("partition", arrives(from4, "10.2.1.1", b4));
        note("partition IPv6", arrives(from6, "fd00:2::1", b6));
        return all;
    };
    using All = std::vector<std::string>;
    const All declared = {"host", "host IPv6", "host's uplink", "outside", "outside IPv6"};
    REQUIRE(eventually([&] { return open() == declared; }));

    SECTION("flushed") {
        flush_all();
    }
    SECTION("its own table alone") {
        output({"nft", "delete", "table", "inet", "partd"});
    }
    SECTION("its rules alone") {
        output({"nft", "flush", "table", "inet", "partd"});
    }
    CHECK(open() == All());
    // nobody gets an answer out of it either
    CHECK(does_not_ping(outside.netns.fd(), "10.1.1.1"));
    // what the host has no part in goes on
    CHECK(pings(a, "10.9.1.2"));

    sandbox.apply();
    CHECK(open() == declared);
}

TEST_CASE("trust: while partd puts the table back, no packet of a closed partition passes", "[trust][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("open.toml", member("open", "1", "reach = [\"outside\"]\n"));
    sandbox.write_config("shut.toml", member("shut", "2", "reach = []\n"));
    const Daemon daemon;
    REQUIRE(eventually([&] { return exists("shut") && sandbox.diff() == 0; }));
    ip({"route", "add", "10.0.0.0/8", "via", Outside::kHost4}, outside.netns.fd());
    const Datagrams peer(outside.netns.fd(), Outside::kPeer4, 9000);
    const Datagrams shut(sandbox.netns("shut"), "10.2.1.1", 9000);
    const Datagrams open(sandbox.netns("open"), "10.1.1.1", 9000);
    // the kernel takes the chains of a table out one after the other, in the order in which it lists them
    const auto listed = output({"nft", "list", "table", "inet", "partd"});
    CHECK(listed.find("chain sources {") < listed.find("hook forward"));
    std::atomic<bool> done = false;
    std::thread sender([&] {
        while (!done) {
            shut.send("shut", Outside::kPeer4, 9000);
        }
    });
    bool restored = true;
    for (int round = 0; round < 8 && restored; ++round) {
        std::this_thread::sleep_for(50ms);
        flush_all();
        restored = eventually([&] { return sandbox.diff() == 0; });
    }
    done = true;
    sender.join();
    CHECK(restored);
    open.send("open", Outside::kPeer4, 9000);
    const auto first = peer.receive(2s);
    REQUIRE(first);
    CHECK(first->text == "open");  // and not what the other one has sent
}

TEST_CASE("trust: what closes a partition without the table is put back, and goes with the last one",
          "[trust][gate]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", member("a", "1"));
    sandbox.apply();
    const auto policies = [] { return output({"ip", "xfrm", "policy"}); };
    const std::string all = policies();
    CHECK(std::ranges::count(all, '\n') == 12);
    SECTION("the filter of a host's end") {
        output({"tc", "filter", "del", "dev", "a0", "ingress"});
        CHECK(sandbox.diff() == 1);
    }
    SECTION("its queueing discipline") {
        output({"tc", "qdisc", "del", "dev", "a0", "clsact"});
        CHECK(sandbox.diff() == 1);
    }
    SECTION("all policies") {
        output({"ip", "xfrm", "policy", "flush"});
        CHECK(sandbox.diff() == 1);
    }
    SECTION("one policy") {
        output({"ip", "xfrm", "policy", "delete", "dir", "fwd", "src", "::/0", "dst", "::/0", "mark",
                "0x80000000", "mask", "0x80000000"});
        CHECK(sandbox.diff() == 1);
    }
    sandbox.apply();
    CHECK(sandbox.diff() == 0);
    CHECK(std::ranges::count(policies(), '\n') == 12);
    CHECK(output({"tc", "filter", "show", "dev", "a0", "ingress"}).find("partd_ingress_1") !=
          std::string::npos);

    // a policy of somebody else's stays
    output({"ip", "xfrm", "policy", "add", "dir", "in", "src", "::/0", "dst", "::/0", "mark", "7", "action",
            "allow"});
    sandbox.remove_config("a.toml");
    sandbox.apply();
    CHECK(std::ranges::count(policies(), '\n') == 3);
}

TEST_CASE("trust: a policy of others with partd's number is a conflict, and stays", "[trust][foreign]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", "[partition.a]\n");
    sandbox.apply();  // the ledger knows of no policy
    output({"ip", "xfrm", "policy", "add", "dir", "in", "src", "0.0.0.0/0", "dst", "0.0.0.0/0", "index",
            "1885434368", "mark", "0x80000000", "mask", "0x80000000", "action", "block"});
    const auto before = output({"ip", "xfrm", "policy"});
    sandbox.write_config("a.toml", member("a", "1"));
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    CHECK(applied.out.find("IPsec policies with partd's numbers that partd did not make") !=
          std::string::npos);
    CHECK(output({"ip", "xfrm", "policy"}) == before);
}
