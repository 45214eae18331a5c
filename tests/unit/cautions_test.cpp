// SPDX-License-Identifier: Apache-2.0
#include "doctor/cautions.h"

#include "config/compile.h"
#include "kinds/kinds.h"
#include "verbs/warnings.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {

std::vector<std::string> told(const std::string& text) {
    const std::vector<TextFile> files = {{"a.toml", text}};
    const auto compiled = config::compile(files, pure_kinds());
    std::vector<std::string> all;
    for (const Caution& each : cautions(compiled.declared)) {
        all.push_back(verbs::Warning{each.partition, each.problem()}.text());
    }
    return all;
}

std::string pair_of(const std::string& own, const std::string& other) {
    return "[partition.web.link.eth0]\naddress = [" + own + "]\npeer.address = [" + other + "]\n";
}

}  // namespace

TEST_CASE("Ends of a link in different networks are told, with both lines") {
    const auto all = told(pair_of("\"10.1.1.1/24\"", "\"10.1.2.1/24\""));
    REQUIRE(all.size() == 1);
    CHECK(
        all[0].starts_with("a.toml:2:12: the ends of web/eth0 are in different networks, 10.1.1.0/24 and "
                           "10.1.2.0/24: they do not reach each other; "));
    CHECK(all[0].ends_with(" (the other end: a.toml:3)"));
    // One network of several, the wider of two, none at one end, point to point, link-local, a route.
    CHECK(told(pair_of("\"10.1.1.1/24\", \"10.2.1.1/24\"", "\"10.3.1.1/24\", \"10.2.1.2/24\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/16\"", "\"10.1.1.2/24\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/24\"", "")).empty());
    CHECK(told(pair_of("\"10.1.1.1/32\"", "\"10.1.2.1/32\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/31\"", "\"10.1.1.0/31\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/24\"", "\"169.254.1.1/16\"")).empty());
    CHECK(told(pair_of("\"fd00:1::1/64\"", "\"fd00:1::2/64\"")).empty());
    CHECK(told(pair_of("\"fd00:1::1/64\"", "\"fe80::2/64\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/24\"", "\"10.1.2.1/24\"") +
               "[[partition.web.route]]\nto = \"10.1.2.0/24\"\ndev = \"eth0\"\n")
              .empty());
}

TEST_CASE("Ends of which one alone has the other in its network are told, of each family") {
    const auto in = [](const std::string& networks) {
        return "the ends of web/eth0 are in different networks, " + networks +
               ": they do not reach each other";
    };
    const auto one = [](const std::vector<std::string>& all, const std::string& text) {
        return all.size() == 1 && all[0].find(text) != std::string::npos;
    };
    CHECK(one(told(pair_of("\"10.1.1.1/24\"", "\"10.1.1.130/25\"")), in("10.1.1.0/24 and 10.1.1.128/25")));
    CHECK(one(told(pair_of("\"10.1.1.1/16\"", "\"10.1.2.1/24\"")), in("10.1.0.0/16 and 10.1.2.0/24")));
    CHECK(one(told(pair_of("\"fd00:1::1/64\"", "\"fd00:2::1/64\"")), in("fd00:1::/64 and fd00:2::/64")));
    CHECK(one(told(pair_of("\"10.1.1.1/24\", \"fd00:1::1/64\"", "\"10.1.1.2/24\", \"fd00:2::1/64\"")),
              in("fd00:1::/64 and fd00:2::/64")));
}

TEST_CASE("A forward to nobody, or to the host, is told") {
    const auto to = [](const std::string& target, const std::string& more = {}) {
        return told(
            "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\", \"10.1.1.9/24\"]\n"
            "peer.address = [\"10.1.1.2/24\"]\n" +
            more + "[[partition.web.nat.forward]]\nlisten = \"tcp/81\"\nto = \"" + target + "\"\n");
    };
    CHECK(to("10.1.1.1:80").empty());
    CHECK(to("10.1.1.9:80").empty());
    CHECK(to("10.1.1.77:80") ==
          std::vector<std::string>{
              "a.toml:6:6: tcp/81 of web leads to 10.1.1.77, which is nobody's address by the files: nobody "
              "answers there, unless a program inside takes that address; give an address of web/eth0: "
              "10.1.1.1, 10.1.1.9"});
    CHECK(
        to("10.1.1.2:80") ==
        std::vector<std::string>{
            "a.toml:6:6: tcp/81 of web leads to 10.1.1.2, which is the other end of web/eth0: the partition "
            "gets none of its packets; give an address of web/eth0: 10.1.1.1, 10.1.1.9"});
    // Others may be behind a bridge.
    CHECK(to("10.1.1.77:80",
             "[partition.web.link.br0]\nkind = \"bridge\"\naddress = [\"10.1.1.3/24\"]\n"
             "ports = [\"eth0\"]\n")
              .size() == 1);
}

TEST_CASE("A gateway that is not the other end is told") {
    const auto via = [](const std::string& gateway, const std::string& end) {
        return told(
            "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\", \"fd00:1::1/64\"]\n"
            "peer.address = [" +
            end + "]\n[[partition.web.route]]\nto = \"default\"\nvia = \"" + gateway + "\"\n");
    };
    const std::string both = "\"10.1.1.2/24\", \"fd00:1::2/64\"";
    for (const char* right : {"10.1.1.2", "fd00:1::2", "10.1.1.1"}) {
        CHECK(via(right, both).empty());
    }
    CHECK(
        via("10.1.1.77", both) ==
        std::vector<std::string>{"a.toml:6:7: the gateway 10.1.1.77 is not an address of the other end of "
                                 "web/eth0: nobody answers there, unless a program takes that address; give "
                                 "one of that end: 10.1.1.2"});
    CHECK(via("fd00:1::77", both).size() == 1);
    // An end without addresses may be a port of a bridge.
    CHECK(via("10.1.1.77", "").empty());
}

TEST_CASE("An address of the loopback interface at another one is told") {
    CHECK(told(pair_of("\"127.0.0.9/8\"", "")) ==
          std::vector<std::string>{
              "a.toml:2:12: 127.0.0.9/8 is an address of the loopback interface: the kernel "
              "takes its packets on lo alone; declare it for lo, or take another one"});
    CHECK(told("[partition.web.link.lo]\naddress = [\"127.0.0.53/8\"]\n").empty());
    CHECK(told("[partition.web.link.red]\nkind = \"vrf\"\nid = 7\naddress = [\"127.0.0.1/8\"]\n").empty());
}

TEST_CASE("A network's own address is told, and a /31 has none") {
    CHECK(told(pair_of("\"fd00:1::/64\"", "\"fd00:1::2/64\"")).size() == 1);
    CHECK(told(pair_of("\"fd00:1::/127\"", "\"fd00:1::1/127\"")).empty());
    CHECK(told(pair_of("\"fd00:1::/128\"", "")).empty());
    CHECK(told(pair_of("\"10.1.1.0/24\"", "\"10.1.1.2/24\"")).size() == 1);
    CHECK(told(pair_of("\"10.1.1.0/23\"", "\"10.1.1.2/23\"")).empty());
    CHECK(told(pair_of("\"10.1.1.0/31\"", "\"10.1.1.1/31\"")).empty());
}

TEST_CASE("Two MTUs of one link are told, with both lines") {
    const std::string head = "[partition.web.link.eth0]\n";
    const auto all = told(head + "mtu = 9000\npeer = { mtu = 1500 }\n");
    REQUIRE(all.size() == 1);
    CHECK(all[0].starts_with("a.toml:2:7: web/eth0 has MTU 9000, its other end 1500: "));
    CHECK(all[0].ends_with(" (the other end: a.toml:3)"));
    CHECK(told(head + "peer.mtu = 1400\n").size() == 1);
    CHECK(told(head + "peer.mtu = 1500\n").empty());
    CHECK(told(head + "mtu = 9000\n").empty());
}

TEST_CASE("An address of a bridge's port is told") {
    const std::string bridge =
        "[partition.web.link.br0]\nkind = \"bridge\"\naddress = [\"10.1.1.1/24\"]\n"
        "[partition.web.link.eth0]\nbridge = \"br0\"\n";
    CHECK(told(bridge).empty());
    const auto all = told(bridge + "address = [\"10.1.1.2/24\"]\n");
    REQUIRE(all.size() == 1);
    CHECK(all[0] ==
          "a.toml:6:12: 10.1.1.2/24 is an address of web/eth0, which is a port of br0: a port takes no "
          "packets for itself: nobody reaches it there; give the address to br0");
}

TEST_CASE("Users that two partitions share, and the host's root, are told") {
    const auto map = [](const std::string& name, const std::string& outside) {
        return "[partition." + name + ".user]\nuid_map = [{ inside = 0, outside = " + outside +
               ", count = 65536 }]\n";
    };
    CHECK(told(map("a", "100000") + map("b", "165536")).empty());
    const auto shared = told(map("a", "100000") + map("b", "165535"));
    REQUIRE(shared.size() == 1);
    CHECK(
        shared[0].starts_with("a.toml:4:12: uid_map: 165535 on the host stands for one of partition a and "
                              "one of b: "));
    CHECK(shared[0].ends_with(" (the other range: a.toml:2)"));
    CHECK(told(map("a", "100000") + "[partition.c]\nshare = { partition = \"a\", namespaces = [\"user\"] }\n")
              .empty());
    const auto root = told(map("a", "0"));
    REQUIRE(root.size() == 1);
    CHECK(root[0].starts_with("a.toml:2:12: uid_map: root in partition a is root on the host: "));
}
