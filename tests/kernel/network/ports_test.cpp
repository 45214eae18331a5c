// SPDX-License-Identifier: Apache-2.0
// Links with ports that they list themselves: bridge, vrf, bond.

#include "type_trial.h"

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

std::string master_of(const std::string& name, int netns) {
    return link(name, netns).value("master", "");
}

}  // namespace

TEST_CASE("A bridge lists its ports, or they name it", "[links][ports]") {
    Sandbox sandbox;
    const std::string bridge = "[partition.web.link.br0]\nkind = \"bridge\"\n";
    const std::string ports = "[partition.web.link.eth0]\n[partition.web.link.eth1]\n";
    sandbox.write_config("web.toml", bridge + "ports = [\"eth0\", \"eth1\"]\n" + ports);
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("web");
    const auto check = [&] {
        CHECK(master_of("eth0", inside) == "br0");
        CHECK(master_of("eth1", inside) == "br0");
    };
    check();
    is_put_back(sandbox, inside,
                {{"a port leaves", {{"link", "set", "eth1", "nomaster"}}},
                 {"the bridge is deleted", {{"link", "del", "br0"}}}},
                check);
    sandbox.write_config("web.toml", bridge + ports + "bridge = \"br0\"\n");
    const auto diff = sandbox.partctl({"diff"});
    CHECK(diff.out.find("~ link web/eth0: master br0 → none") != std::string::npos);
    CHECK(diff.out.find("web/eth1") == std::string::npos);
    sandbox.apply();
    CHECK(master_of("eth0", inside).empty());
    CHECK(master_of("eth1", inside) == "br0");
}

TEST_CASE("vrf: two tenants with the same addresses", "[links][vrf]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "vrf", "table", "10"})) {
        PARTD_CANNOT_RUN("this kernel has no VRFs: the machine of tests/system has");
    }
    const auto before = snapshot(sandbox);
    sandbox.example("vrf");
    settle(sandbox);
    is_settled(sandbox);
    const int router = sandbox.netns("router");
    const auto check = [&] {
        CHECK(made_links(router) == Strings{"blue", "blue0", "red", "red0"});
        CHECK(master_of("red0", router) == "red");
        CHECK(master_of("blue0", router) == "blue");
        CHECK(type_data("red", router).at("table") == 10);
        CHECK(type_data("blue", router).at("table") == 20);
        CHECK(routes("10.70.0.0/24", router, "10").size() == 1);
        CHECK(routes("10.70.0.0/24", router, "20").size() == 1);
        CHECK(routes("10.70.0.0/24", router).empty());
        for (const char* tenant : {"red", "blue"}) {
            CHECK(
                exec_in(sandbox, "router", {"ping", "-c", "1", "-W", "2", "-I", tenant, "10.70.0.2"}).code ==
                0);
            CHECK(reaches(sandbox, "tenant-" + std::string(tenant), "10.70.0.1"));
        }
    };
    check();
    is_put_back(sandbox, router,
                {{"a port leaves", {{"link", "set", "red0", "nomaster"}}},
                 {"a port changes sides", {{"link", "set", "red0", "master", "blue"}}},
                 {"deleted", {{"link", "del", "red"}}},
                 {"down", {{"link", "set", "red", "down"}}},
                 {"the kernel's own route of a port is gone",
                  {{"route", "del", "table", "10", "10.70.0.0/24", "dev", "red0"}}},
                 {"another table",
                  {{"link", "del", "red"},
                   {"link", "add", "red", "type", "vrf", "table", "11"},
                   {"link", "set", "red", "alias", "partd:router/red"}}}},
                check);
    sandbox.remove_config("vrf.toml");
    sandbox.apply();
    is_as_before(sandbox, before);
}

TEST_CASE("A vrf has addresses of its own, and IPv6 on its ports", "[links][vrf]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "vrf", "table", "10"})) {
        PARTD_CANNOT_RUN("this kernel has no VRFs: the machine of tests/system has");
    }
    const std::string ports =
        "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\", \"fd00:1::1/64\"]\n"
        "peer = { address = [\"10.1.1.2/24\", \"fd00:1::2/64\"] }\n";
    const auto vrf = [](const std::string& id, const std::string& keys) {
        return "[partition.web.link.red]\nkind = \"vrf\"\nid = " + id +
               "\naddress = [\"127.0.0.1/8\", \"fd00:9::1/128\"]\n" + keys;
    };
    sandbox.write_config("web.toml", ports);
    sandbox.apply();
    // a port that is up, with addresses
    sandbox.write_config("web.toml", vrf("10", "ports = [\"eth0\"]\n") + ports);
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("web");
    CHECK(master_of("eth0", inside) == "red");
    CHECK(addresses("eth0", inside) == Strings{"10.1.1.1/24", "fd00:1::1/64"});
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(kHere, "fd00:1::1"));
    sandbox.write_config("web.toml", vrf("300", "ports = [\"eth0\"]\n") + ports);
    sandbox.apply();
    is_settled(sandbox);
    CHECK(routes("10.1.1.0/24", inside, "300").size() == 1);
    ip({"route", "del", "table", "300", "10.1.1.0/24", "dev", "eth0"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    is_settled(sandbox);
    sandbox.write_config("web.toml", vrf("300", "") + ports);
    sandbox.apply();
    is_settled(sandbox);
    CHECK(master_of("eth0", inside).empty());
    CHECK(routes("10.1.1.0/24", inside).size() == 1);
}

TEST_CASE("bond: a server on two cards of the host", "[links][bond]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "bond"})) {
        PARTD_CANNOT_RUN("this kernel has no bonds: the machine of tests/system has");
    }
    ip({"link", "add", "lan", "type", "bridge"});
    ip({"address", "add", "192.168.78.1/24", "dev", "lan"});
    ip({"link", "set", "lan", "addrgenmode", "none"});
    ip({"link", "set", "lan", "up"});
    for (const char* card : {"eth0", "eth1"}) {
        const std::string other = std::string("port-") + card;
        ip({"link", "add", card, "type", "veth", "peer", "name", other});
        for (const std::string& end : {other, std::string(card)}) {
            ip({"link", "set", end, "addrgenmode", "none"});  // its routes would come a moment later
            ip({"link", "set", end, "up"});
        }
        ip({"link", "set", other, "master", "lan"});
    }
    const Strings before = made_links();
    sandbox.example("bond");
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("server");
    const auto check = [&] {
        CHECK(made_links(inside) == Strings{"bond0", "up0", "up1"});
        CHECK(master_of("up0", inside) == "bond0");
        CHECK(master_of("up1", inside) == "bond0");
        const Json data = type_data("bond0", inside);
        CHECK(data.at("mode") == "active-backup");
        CHECK(data.at("miimon") == 50);
        CHECK(is_up("bond0", inside));
        CHECK(is_up("up0", inside));
        CHECK(reaches(sandbox, "server", "192.168.78.1"));
    };
    check();
    is_put_back(sandbox, inside,
                {{"another interval", {{"link", "set", "bond0", "type", "bond", "miimon", "200"}}},
                 {"a port leaves", {{"link", "set", "up1", "nomaster"}}},
                 {"a port is deleted", {{"link", "del", "up0"}}},
                 {"the bond is deleted", {{"link", "del", "bond0"}}},
                 {"down", {{"link", "set", "bond0", "down"}}},
                 {"another mode",
                  {{"link", "set", "up0", "nomaster"},
                   {"link", "set", "up1", "nomaster"},
                   {"link", "set", "bond0", "down"},
                   {"link", "set", "bond0", "type", "bond", "mode", "balance-xor"}}}},
                check);
    // one card fails
    ip({"link", "set", "port-eth0", "down"});
    CHECK(eventually([&] { return reaches(sandbox, "server", "192.168.78.1"); }));
    ip({"link", "set", "port-eth0", "up"});
    sandbox.remove_config("bond.toml");
    sandbox.apply();
    sandbox.close_netns();
    CHECK(netns_names().empty());
    CHECK(made_links() == before);
}

TEST_CASE("A bond gets another mode and other ports", "[links][bond]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "bond"})) {
        PARTD_CANNOT_RUN("this kernel has no bonds: the machine of tests/system has");
    }
    const auto file = [](const std::string& mode, const std::string& ports) {
        return "[partition.web.link.b0]\nkind = \"bond\"\nmode = \"" + mode + "\"\nports = [" + ports +
               "]\naddress = [\"10.1.1.1/24\"]\n"
               "[partition.web.link.eth0]\n[partition.web.link.eth1]\n";
    };
    for (const auto& [mode, ports] :
         {std::pair("balance-rr", "\"eth0\""), std::pair("802.3ad", "\"eth0\", \"eth1\""),
          std::pair("balance-xor", "\"eth1\""), std::pair("broadcast", ""),
          std::pair("balance-tlb", "\"eth0\""), std::pair("balance-alb", "\"eth0\", \"eth1\"")}) {
        INFO(mode);
        sandbox.write_config("web.toml", file(mode, ports));
        sandbox.apply();
        is_settled(sandbox);
        const int inside = sandbox.netns("web");
        CHECK(type_data("b0", inside).at("mode") == mode);
        const std::string listed = ports;
        CHECK(master_of("eth0", inside) == (listed.find("eth0") == listed.npos ? "" : "b0"));
        CHECK(master_of("eth1", inside) == (listed.find("eth1") == listed.npos ? "" : "b0"));
        CHECK(addresses("b0", inside) == Strings{"10.1.1.1/24"});
    }
}
