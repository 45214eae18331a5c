// SPDX-License-Identifier: Apache-2.0
// reach and admit with ports and prefixes: what is declared passes, and nothing beside it.
#include "host_view.h"
#include "members.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr const char* kPeer4Net = "203.0.113.0/24";

}  // namespace

TEST_CASE("policy: of the host's services those ports that are named", "[nat][policy]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.write_config("web.toml", member("web", "1",
                                            "reach = [{ to = \"host\", match = [\"tcp/22\", \"udp/53\"] }, "
                                            "{ to = \"10.1.1.2\", match = \"tcp/8000-8010\" }, "
                                            "{ to = \"fd00:1::2\", match = \"tcp/25\" }]\n"));
    sandbox.apply();
    const int web = sandbox.netns("web");
    const auto tcp4 = servers(kHere, "10.1.1.2", {22, 23, 7999, 8000, 8007, 8008, 8010, 8011});
    const auto tcp6 = servers(kHere, "fd00:1::2", {22, 25, 8000});
    const auto uplink = servers(kHere, Outside::kHost4, {22, 8000});
    const Server dns(kHere, "10.1.1.2", 53, Transport::udp);
    const Server ntp(kHere, "10.1.1.2", 123, Transport::udp);
    for (const auto port : Ports{22, 8000, 8007, 8008, 8010}) {
        CAPTURE(port);
        CHECK(seen_by(web, "10.1.1.2", port));
    }
    for (const auto port : Ports{23, 7999, 8011}) {
        CAPTURE(port);
        CHECK(out_of_reach(web, "10.1.1.2", port));
    }
    CHECK(seen_soon(web, "fd00:1::2", 22));
    CHECK(seen_by(web, "fd00:1::2", 25));
    CHECK(out_of_reach(web, "fd00:1::2", 8000));
    CHECK(seen_by(web, "10.1.1.2", 53, Transport::udp));
    CHECK(out_of_reach(web, "10.1.1.2", 123, Transport::udp));
    // any address of the host is the host's; a prefix is its addresses alone
    CHECK(seen_by(web, Outside::kHost4, 22));
    CHECK(out_of_reach(web, Outside::kHost4, 8000));
    // the two ends of a link, and the host itself
    CHECK(pings(web, "10.1.1.2"));
    CHECK(pings(web, "fd00:1::2"));
    const Server inside(web, "10.1.1.1", 80);
    CHECK(seen_by(kHere, "10.1.1.1", 80));
}

TEST_CASE("policy: reach by prefixes, addresses and ports, in both families", "[nat][policy]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("web.toml", member("web", "1",
                                            "reach = [{ to = \"" + std::string(kPeer4Net) +
                                                "\", match = [\"tcp/80-90\", \"udp/7\", \"icmp\"] }, "
                                                "{ to = \"2001:db8:ff::/64\", match = \"tcp/80\" }, "
                                                "{ to = \"10.2.1.1\", match = \"tcp/443\" }, "
                                                "{ to = \"db\", match = \"tcp/5432\" }]\n"));
    sandbox.write_config("db.toml", member("db", "2", "reach = []\n"));
    sandbox.apply();
    const int web = sandbox.netns("web");
    const int db = sandbox.netns("db");
    const int out = outside.netns.fd();

    const auto four = servers(out, Outside::kPeer4, {79, 80, 83, 88, 90, 91});
    for (const auto port : Ports{80, 83, 88, 90}) {
        CAPTURE(port);
        CHECK(seen_by(web, Outside::kPeer4, port) == "10.1.1.1");
    }
    CHECK(out_of_reach(web, Outside::kPeer4, 79));
    CHECK(out_of_reach(web, Outside::kPeer4, 91));
    const auto six = servers(out, Outside::kPeer6, {80, 81});
    CHECK(seen_soon(web, Outside::kPeer6, 80) == "fd00:1::1");
    CHECK(out_of_reach(web, Outside::kPeer6, 81));
    CHECK(pings(web, Outside::kPeer4));
    CHECK(does_not_ping(web, Outside::kPeer6));

    const auto at_db = servers(db, "10.2.1.1", {443, 5432, 80});
    const auto at_db6 = servers(db, "fd00:2::1", {443, 5432});
    CHECK(seen_by(web, "10.2.1.1", 443) == "10.1.1.1");
    CHECK(seen_by(web, "10.2.1.1", 5432) == "10.1.1.1");
    CHECK(out_of_reach(web, "10.2.1.1", 80));
    CHECK(seen_soon(web, "fd00:2::1", 5432) == "fd00:1::1");
    CHECK(out_of_reach(web, "fd00:2::1", 443));
    // neither way back
    const auto at_web = servers(web, "10.1.1.1", {80, 443, 5432});
    for (const auto port : Ports{80, 443, 5432}) {
        CHECK(out_of_reach(db, "10.1.1.1", port));
        CHECK(out_of_reach(out, "10.1.1.1", port));
    }
    // what comes from a port that may be reached is an answer only if somebody asked
    const Datagrams echo(out, Outside::kPeer4, 7);
    const Datagrams asker(web, "10.1.1.1", 9000);
    echo.send("nobody asked", "10.1.1.1", 9000);
    CHECK_FALSE(asker.receive(300ms));
    asker.send("a question", Outside::kPeer4, 7);
    REQUIRE(echo.receive());
    echo.send("an answer", "10.1.1.1", 9000);
    CHECK(asker.receive());
}

TEST_CASE("policy: an entry that goes ends the connections that it allowed, and no others", "[nat][policy]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const auto declare = [&](const std::string& matches) {
        sandbox.write_config(
            "web.toml", member("web", "1", "reach = [{ to = \"outside\", match = [" + matches + "] }]\n"));
        sandbox.apply();
    };
    declare("\"tcp/80\", \"tcp/443\"");
    const auto at = servers(outside.netns.fd(), Outside::kPeer4, {80, 443});
    const auto plain = Connection::open(sandbox.netns("web"), Outside::kPeer4, 80);
    const auto secure = Connection::open(sandbox.netns("web"), Outside::kPeer4, 443);
    REQUIRE((plain && secure));
    declare("\"tcp/443\", \"tcp/8080\"");
    CHECK(secure->alive());
    CHECK_FALSE(plain->alive(500ms));
    CHECK(output({"nft", "list", "set", "inet", "partd", "outward_p16"})
              .find("\"partd reach web: to outside tcp/8080\"") != std::string::npos);
}

TEST_CASE("policy: an error about a connection gets through", "[nat][policy]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("web.toml",
                         member("web", "1", "reach = [{ to = \"outside\", match = \"udp/9\" }]\n"));
    sandbox.apply();
    const char* ask =
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.settimeout(3)\n"
        "s.connect((sys.argv[1], 9))\n"
        "for _ in range(3):\n"
        "    try:\n"
        "        s.send(b'x')\n"
        "        s.recv(1)\n"
        "    except ConnectionRefusedError:\n"
        "        sys.exit(0)\n"
        "    except TimeoutError:\n"
        "        pass\n"
        "sys.exit(1)\n";
    for (const char* peer : {Outside::kPeer4, Outside::kPeer6}) {
        CAPTURE(peer);
        CHECK(run({"python3", "-c", ask, peer}, {.input = {}, .netns = sandbox.netns("web")}).code == 0);
    }
    CHECK(outside.netns.fd() >= 0);
}

TEST_CASE("policy: admit opens a partition's own addresses to those whom it names", "[nat][policy][admit]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const int out = outside.netns.fd();
    ip({"address", "add", "203.0.113.9/24", "dev", "wan"}, out);
    sandbox.write_config(
        "web.toml", member("web", "1",
                           "reach = []\nadmit = [{ from = \"outside\", match = [\"tcp/443\", \"icmpv6\"] }, "
                           "{ from = \"db\", match = \"tcp/5432\" }, "
                           "{ from = \"203.0.113.9\", match = \"tcp/22\" }]\n") +
                        "[[partition.web.nat.forward]]\nlisten = \"tcp/8080\"\nto = \"10.1.1.1:80\"\n");
    sandbox.write_config("db.toml", member("db", "2", "reach = []\n"));
    sandbox.write_config("other.toml", member("other", "3", "reach = [\"outside\"]\n"));
    sandbox.apply();
    const int web = sandbox.netns("web");
    const int db = sandbox.netns("db");
    const auto four = servers(web, "10.1.1.1", {22, 80, 443, 5432});
    const auto six = servers(web, "fd00:1::1", {22, 443, 5432});
    CHECK(seen_by(out, "10.1.1.1", 443, Transport::tcp, Outside::kPeer4) == Outside::kPeer4);
    CHECK(seen_soon(out, "fd00:1::1", 443) == Outside::kPeer6);
    CHECK(pings(out, "fd00:1::1"));
    CHECK(does_not_ping(out, "10.1.1.1"));
    CHECK(seen_by(out, "10.1.1.1", 22, Transport::tcp, "203.0.113.9") == "203.0.113.9");
    CHECK(out_of_reach(out, "10.1.1.1", 22, Transport::tcp, Outside::kPeer4));
    CHECK(out_of_reach(out, "fd00:1::1", 22));
    CHECK(out_of_reach(out, "10.1.1.1", 5432));
    CHECK(out_of_reach(out, "10.1.1.1", 80));
    CHECK(seen_by(out, Outside::kHost4, 8080));  // a forward opens what it needs
    CHECK(seen_by(db, "10.1.1.1", 5432) == "10.2.1.1");
    CHECK(seen_soon(db, "fd00:1::1", 5432) == "fd00:2::1");
    CHECK(out_of_reach(db, "10.1.1.1", 443));  // a partition is not outside
    CHECK(out_of_reach(sandbox.netns("other"), "10.1.1.1", 443));
    CHECK(out_of_reach(sandbox.netns("other"), "fd00:1::1", 5432));
    // the host may always, and web itself nowhere
    CHECK(seen_by(kHere, "10.1.1.1", 5432));
    const auto at_outside = servers(out, Outside::kPeer4, {80});
    const auto at_db = servers(db, "10.2.1.1", {80});
    CHECK(out_of_reach(web, Outside::kPeer4, 80));
    CHECK(out_of_reach(web, "10.2.1.1", 80));
    CHECK(out_of_reach(out, "10.2.1.1", 80));

    const auto open = Connection::open(out, "10.1.1.1", 443);
    REQUIRE(open);
    sandbox.write_config("web.toml", member("web", "1", "reach = []\nadmit = [\"db\"]\n"));
    sandbox.apply();
    CHECK_FALSE(open->alive(500ms));
    CHECK(seen_by(db, "10.1.1.1", 443));
    sandbox.write_config("web.toml", member("web", "1", "reach = []\nadmit = [\"any\"]\n"));
    sandbox.apply();
    CHECK(seen_by(sandbox.netns("other"), "10.1.1.1", 22));
    CHECK(seen_by(out, "10.1.1.1", 22));
}

TEST_CASE("policy: root inside is held at the gate, whatever it rewrites", "[nat][policy][trust]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config(
        "rogue.toml", member("rogue", "1",
                             "reach = [{ to = \"outside\", match = \"tcp/80\" }, "
                             "{ to = \"host\", match = \"udp/53\" }]\nadmit = [{ from = \"outside\", match = "
                             "\"tcp/443\" }]\n"));
    sandbox.write_config("db.toml", member("db", "2", "reach = []\nadmit = [\"10.3.1.1\", \"friend\"]\n"));
    sandbox.write_config("friend.toml", member("friend", "3"));
    sandbox.apply();
    const int rogue = sandbox.netns("rogue");
    const int db = sandbox.netns("db");
    output({"nft", "flush", "ruleset"}, {.input = {}, .netns = rogue});
    output({"nft", "-f", "-"},
           {.input = "table inet partd { set reach { type ifname . ifname; elements = { rogue0 . db0 }; }; "
                     "chain forward { type filter hook forward priority -300; accept; }; "
                     "chain nat { type nat hook postrouting priority 100; snat ip to 10.3.1.1; }; }",
            .netns = rogue});
    for (const char* address : {"10.3.1.1/32", "fd00:3::1/128", "10.2.1.9/32"}) {
        ip({"address", "add", address, "dev", "lo", "nodad"}, rogue);
    }
    ip({"route", "replace", "10.0.0.0/8", "via", "10.1.1.2", "dev", "eth0"}, rogue);
    const auto four = servers(db, "10.2.1.1", {80, 443});
    const auto six = servers(db, "fd00:2::1", {80});
    const auto at_host = servers(kHere, "10.1.1.2", {22, 53});
    const auto far = servers(outside.netns.fd(), Outside::kPeer4, {80, 81});
    for (const auto port : Ports{80, 443}) {
        CHECK(out_of_reach(rogue, "10.2.1.1", port));
        CHECK(out_of_reach(rogue, "10.2.1.1", port, Transport::tcp, "10.3.1.1"));
    }
    CHECK(out_of_reach(rogue, "fd00:2::1", 80));
    CHECK(out_of_reach(rogue, "fd00:2::1", 80, Transport::tcp, "fd00:3::1"));
    CHECK(out_of_reach(rogue, "10.1.1.2", 22));
    CHECK(out_of_reach(rogue, "10.1.1.2", 53));
    CHECK(out_of_reach(rogue, Outside::kPeer4, 81));
    output({"nft", "flush", "ruleset"}, {.input = {}, .netns = rogue});
    CHECK(seen_by(rogue, Outside::kPeer4, 80, Transport::tcp, "10.1.1.1") == "10.1.1.1");
    CHECK(seen_by(sandbox.netns("friend"), "10.2.1.1", 80) == "10.3.1.1");
}

TEST_CASE("policy: the example of a server with a routed IPv6 address", "[nat][policy][admit][ipv6]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const int out = outside.netns.fd();
    const auto from = [&](const std::string& source, std::uint16_t port) {
        return seen_by(out, "2001:db8:10::2", port, Transport::tcp, source) == source;
    };
    for (const char* address : {"2001:db8:ff::53/64", "2001:db8:bad::1/128"}) {
        ip({"address", "add", address, "dev", "wan", "nodad"}, out);
    }
    sandbox.example("server");
    sandbox.apply();
    const int server = sandbox.netns("server");
    const auto at = servers(server, "2001:db8:10::2", {22, 80, 443, 8080});
    REQUIRE(seen_soon(out, "2001:db8:10::2", 443));
    CHECK(from("2001:db8:bad::1", 80));
    CHECK(from(Outside::kPeer6, 22));
    CHECK(pings(out, "2001:db8:10::2"));
    CHECK(out_of_reach(out, "2001:db8:10::2", 22, Transport::tcp, "2001:db8:bad::1"));
    CHECK(out_of_reach(out, "2001:db8:10::2", 8080));
    const auto far = servers(out, Outside::kPeer6, {80, 25});
    const Server resolver(out, "2001:db8:ff::53", 53, Transport::udp);
    const Server other(out, Outside::kPeer6, 53, Transport::udp);
    CHECK(seen_by(server, Outside::kPeer6, 80) == "2001:db8:10::2");
    CHECK(seen_by(server, "2001:db8:ff::53", 53, Transport::udp) == "2001:db8:10::2");
    CHECK(out_of_reach(server, Outside::kPeer6, 25));
    CHECK(out_of_reach(server, Outside::kPeer6, 53, Transport::udp));
    const Server host(kHere, "2001:db8:10::1", 22);
    CHECK(out_of_reach(server, "2001:db8:10::1", 22));
}
