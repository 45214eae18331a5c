// SPDX-License-Identifier: Apache-2.0
#include "doctor/cautions.h"

#include "config/compile.h"
#include "kinds/kinds.h"

#include <catch2/catch.hpp>

using namespace partd;

namespace {

std::vector<std::string> told(const std::string& text) {
    const std::vector<TextFile> files = {{"a.toml", text}};
    const auto compiled = config::compile(files, pure_kinds());
    std::vector<std::string> all;
    for (const Caution& each : cautions(compiled.declared)) {
        all.push_back(each.text());
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
    CHECK(told(pair_of("\"10.1.1.1/16\"", "\"10.1.2.1/24\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/24\"", "")).empty());
    CHECK(told(pair_of("\"10.1.1.1/32\"", "\"10.1.2.1/32\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/31\"", "\"10.1.1.0/31\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/24\"", "\"169.254.1.1/16\"")).empty());
    CHECK(told(pair_of("\"fd00:1::1/64\"", "\"fd00:2::1/64\"")).empty());
    CHECK(told(pair_of("\"10.1.1.1/24\"", "\"10.1.2.1/24\"") +
               "[[partition.web.route]]\nto = \"10.1.2.0/24\"\ndev = \"eth0\"\n")
              .empty());
}

TEST_CASE("A network's own address is told, and a /31 has none") {
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
