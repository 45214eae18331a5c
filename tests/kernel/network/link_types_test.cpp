// SPDX-License-Identifier: Apache-2.0
// Links of other types than veth: made, looked at, put back, replaced and removed like a veth.

#include "host_view.h"
#include "machine.h"

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// The bridge whose port it is; "" for none.
std::string bridge_of(const std::string& name, int netns) {
    return link(name, netns).value("master", "");
}

Json bridge_data(const std::string& name, int netns) {
    return link(name, netns).at("linkinfo").at("info_data");
}

/// Also when a neighbour has a new hardware address since.
bool reaches(const Sandbox& sandbox, const std::string& from, const std::string& to) {
    (void)exec_in(sandbox, from, {"ip", "neigh", "flush", "all"});
    return exec_in(sandbox, from, {"ping", "-c", "1", "-W", "2", to}).code == 0;
}

void check_switch(const Sandbox& sandbox, int inside) {
    CHECK(links(inside) == Strings{"alice", "bob", "br0"});
    CHECK(bridge_of("alice", inside) == "br0");
    CHECK(bridge_of("bob", inside) == "br0");
    CHECK(is_up("br0", inside));
    CHECK(addresses("br0", inside) == Strings{"10.30.0.1/24", "fd00:30::1/64"});
    CHECK(link("br0", inside).at("ifalias") == "partd:switch/br0");
    CHECK(reaches(sandbox, "alice", "10.30.0.12"));
    CHECK(reaches(sandbox, "alice", "fd00:30::12"));
    CHECK(reaches(sandbox, "switch", "10.30.0.11"));
}

void is_settled(const Sandbox& sandbox) {
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.out << diff.err);
    CHECK(diff.code == 0);
    CHECK(sandbox.partctl({"status", "--check"}).code == 0);
}

struct Drift {
    std::string what;
    std::vector<Arguments> commands;  ///< of ip, in the namespace
};

/// Does it, and has it put right.
void put_right(const Sandbox& sandbox, const Drift& drift, int inside) {
    for (const Arguments& command : drift.commands) {
        ip(command, inside);
    }
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    is_settled(sandbox);
}

}  // namespace

TEST_CASE("switch: a bridge joins two partitions", "[links]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.example("switch");
    settle(sandbox);
    const int inside = sandbox.netns("switch");
    check_switch(sandbox, inside);
    is_settled(sandbox);
    CHECK(links().empty());
    sandbox.remove_config("switch.toml");
    sandbox.apply();
    CHECK(netns_names().empty());
    CHECK(difference(before, snapshot(sandbox)).empty());
}

TEST_CASE("switch: what is done to its links by hand is put back", "[links]") {
    Sandbox sandbox;
    sandbox.example("switch");
    sandbox.apply();
    const int inside = sandbox.netns("switch");
    const std::vector<Drift> kDone = {
        {"a port of none", {{"link", "set", "alice", "nomaster"}}},
        {"a port of another bridge",
         {{"link", "add", "theirs", "type", "bridge"}, {"link", "set", "alice", "master", "theirs"}}},
        {"the bridge is deleted", {{"link", "del", "br0"}}},
        {"the bridge has another name",
         {{"link", "set", "br0", "down"}, {"link", "set", "br0", "name", "x"}}},
        {"the bridge is down", {{"link", "set", "br0", "down"}}},
        {"another one in its place", {{"link", "del", "br0"}, {"link", "add", "br0", "type", "bridge"}}},
        {"of another kind",
         {{"link", "del", "br0"}, {"link", "add", "br0", "type", "veth", "peer", "name", "y"}}},
        {"the mark is gone", {{"link", "set", "br0", "alias", ""}}},
        {"another alias", {{"link", "set", "br0", "alias", "theirs"}}},
        {"a port is deleted", {{"link", "del", "alice"}}},
    };
    for (const Drift& drift : kDone) {
        INFO(drift.what);
        put_right(sandbox, drift, inside);
        if (has_link("theirs", inside)) {
            ip({"link", "del", "theirs"}, inside);
        }
        check_switch(sandbox, inside);
    }
}

TEST_CASE("A bridge has its attributes, and keeps them", "[links]") {
    Sandbox sandbox;
    const std::string head = "[partition.web.link.br0]\nkind = \"bridge\"\n";
    sandbox.write_config("web.toml", head);
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const auto index = link("br0", inside).at("ifindex");
    CHECK(bridge_data("br0", inside).at("stp_state") == 0);
    // CONFIG_BRIDGE_VLAN_FILTERING
    const bool filters =
        run({"ip", "link", "add", "probe", "type", "bridge", "vlan_filtering", "1"}).code == 0;
    sandbox.write_config("web.toml", head + (filters ? "vlan_filtering = true\n" : "") +
                                         "stp = true\nmtu = 1400\n"
                                         "mac = \"02:00:00:00:00:07\"\nalias = \"inside\"\nup = false\n");
    const auto diff = sandbox.partctl({"diff"});
    CHECK(diff.out.find("stp false → true") != std::string::npos);
    const auto check = [&] {
        is_settled(sandbox);
        CHECK(bridge_data("br0", inside).at("stp_state") == 1);
        CHECK((!filters || bridge_data("br0", inside).at("vlan_filtering") == 1));
        CHECK(link("br0", inside).at("mtu") == 1400);
        CHECK(link("br0", inside).at("address") == "02:00:00:00:00:07");
        CHECK(link("br0", inside).at("ifalias") == "partd:web/br0 inside");
        CHECK_FALSE(is_up("br0", inside));
        CHECK(link("br0", inside).at("ifindex") == index);
    };
    sandbox.apply();
    check();
    std::vector<Arguments> by_hand = {
        {"link", "set", "br0", "type", "bridge", "stp_state", "0"},
        {"link", "set", "br0", "mtu", "1300"},
        {"link", "set", "br0", "address", "02:00:00:00:00:08"},
        {"link", "set", "br0", "up"},
    };
    if (filters) {
        by_hand.push_back({"link", "set", "br0", "type", "bridge", "vlan_filtering", "0"});
    }
    for (const Arguments& command : by_hand) {
        ip(command, inside);
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
        check();
    }
}

TEST_CASE("A link that names its bridge no more leaves it, and may be a port of others", "[links]") {
    Sandbox sandbox;
    const std::string bridge = "[partition.web.link.br0]\nkind = \"bridge\"\n[partition.web.link.eth0]\n";
    sandbox.write_config("web.toml", bridge + "bridge = \"br0\"\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    CHECK(bridge_of("eth0", inside) == "br0");
    sandbox.write_config("web.toml", bridge);
    CHECK(sandbox.partctl({"diff"}).out.find("master br0 → none") != std::string::npos);
    sandbox.apply();
    CHECK(bridge_of("eth0", inside).empty());
    // whoever runs inside may use the link as he likes
    ip({"link", "add", "theirs", "type", "bridge"}, inside);
    ip({"link", "set", "eth0", "master", "theirs"}, inside);
    is_settled(sandbox);
    sandbox.apply();
    CHECK(bridge_of("eth0", inside) == "theirs");
}

TEST_CASE("A link that gets another kind is made anew under its name", "[links]") {
    Sandbox sandbox;
    const std::string head = "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\"]\n";
    sandbox.write_config("web.toml", head);
    sandbox.apply();
    const int inside = sandbox.netns("web");
    sandbox.write_config("web.toml", head + "kind = \"bridge\"\n");
    const auto diff = sandbox.partctl({"diff"});
    CHECK(diff.out.find("kind veth → bridge") != std::string::npos);
    for (const auto& [text, kind] :
         {std::pair(head + "kind = \"bridge\"\n", "bridge"), std::pair(head, "veth")}) {
        sandbox.write_config("web.toml", text);
        sandbox.apply();
        is_settled(sandbox);
        CHECK(link("eth0", inside).at("linkinfo").at("info_kind") == kind);
        CHECK(addresses("eth0", inside) == Strings{"10.1.1.1/24"});
        CHECK(has_link("pv-web") == (kind == std::string("veth")));
    }
}

TEST_CASE("A link stays when what is to take its place cannot be made", "[links]") {
    Sandbox sandbox;
    const std::string head = "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\"]\n";
    sandbox.write_config("web.toml", head + "peer = { address = [\"10.1.1.2/24\"] }\n");
    sandbox.apply();
    const auto index = link("eth0", sandbox.netns("web")).at("ifindex");
    sandbox.write_config("web.toml", head + "kind = \"vlan\"\nparent = \"host:nosuch0\"\nid = 3\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("web.toml:3:8") != std::string::npos);
    CHECK(applied.err.find("find host:nosuch0: No such device") != std::string::npos);
    CHECK(link("eth0", sandbox.netns("web")).at("ifindex") == index);
    CHECK(addresses("pv-web") == Strings{"10.1.1.2/24"});
    CHECK(pings(kHere, "10.1.1.1"));
    // a kind that this kernel has
    sandbox.write_config("web.toml", head + "kind = \"bridge\"\n");
    sandbox.apply();
    is_settled(sandbox);
}

TEST_CASE("A mark that somebody inside writes on a link of another kind takes nothing in", "[links]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\"]\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const auto index = link("eth0", inside).at("ifindex");
    ip({"link", "set", "eth0", "alias", ""}, inside);
    ip({"link", "add", "fake", "type", "bridge"}, inside);
    ip({"link", "set", "fake", "alias", "partd:web/eth0"}, inside);
    sandbox.apply();
    is_settled(sandbox);
    CHECK(link("eth0", inside).at("ifindex") == index);
    CHECK(link("eth0", inside).at("ifalias") == "partd:web/eth0");
    CHECK(has_link("fake", inside));
}

TEST_CASE("Whatever marks somebody inside writes on links with one end, they are what the ledger says",
          "[links]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml",
                         "[partition.web.link.br0]\nkind = \"bridge\"\n"
                         "[partition.web.link.br1]\nkind = \"bridge\"\n"
                         "[partition.web.link.eth0]\nbridge = \"br0\"\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const auto first = link("br0", inside).at("ifindex");
    const auto second = link("br1", inside).at("ifindex");
    const std::vector<Drift> kDone = {
        {"another one's mark", {{"link", "set", "br0", "alias", "partd:web/br1"}}},
        {"a veth's mark", {{"link", "set", "br0", "alias", "partd:web/eth0"}}},
        {"marks that changed places",
         {{"link", "set", "br0", "alias", "partd:web/br1"},
          {"link", "set", "br1", "alias", "partd:web/br0"}}},
        {"names that changed places",
         {{"link", "set", "br0", "down"},
          {"link", "set", "br0", "name", "x"},
          {"link", "set", "br1", "down"},
          {"link", "set", "br1", "name", "br0"},
          {"link", "set", "x", "name", "br1"}}},
        {"a bridge of others with the mark takes the port",
         {{"link", "add", "fake", "type", "bridge"},
          {"link", "set", "fake", "alias", "partd:web/br0"},
          {"link", "set", "eth0", "master", "fake"}}},
        {"another one made in its place, with its mark",
         {{"link", "del", "br0"},
          {"link", "add", "br0", "type", "bridge"},
          {"link", "set", "br0", "alias", "partd:web/br0"}}},
    };
    for (const Drift& drift : kDone) {
        INFO(drift.what);
        put_right(sandbox, drift, inside);
        if (has_link("fake", inside)) {
            ip({"link", "del", "fake"}, inside);
        }
        CHECK(bridge_of("eth0", inside) == "br0");
        CHECK(link("br0", inside).at("ifalias") == "partd:web/br0");
        CHECK(link("br1", inside).at("ifalias") == "partd:web/br1");
        CHECK(link("br1", inside).at("ifindex") == second);
        CHECK((link("br0", inside).at("ifindex") == first || drift.what.starts_with("another one made")));
    }
}

TEST_CASE("Whatever marks somebody inside writes on ends of pairs, they are what the ledger says",
          "[links]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml",
                         "[partition.web.link.eth0]\npeer = { name = \"w0\" }\n"
                         "[partition.web.link.eth1]\npeer = { name = \"w1\" }\n"
                         "[partition.far.link.up]\npeer = { partition = \"web\", name = \"far0\" }\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const std::vector<std::pair<std::string, std::string>> kMarks = {
        {"eth0", "partd:web/eth0"}, {"eth1", "partd:web/eth1"}, {"far0", "partd:far/up:peer"}};
    std::vector<Json> indexes;
    for (const auto& [name, mark] : kMarks) {
        indexes.push_back(link(name, inside).at("ifindex"));
    }
    const std::vector<Drift> kDone = {
        {"another one's mark", {{"link", "set", "eth0", "alias", "partd:web/eth1"}}},
        {"marks that changed places",
         {{"link", "set", "eth0", "alias", "partd:web/eth1"},
          {"link", "set", "eth1", "alias", "partd:web/eth0"}}},
        {"the far end with a near end's mark", {{"link", "set", "far0", "alias", "partd:web/eth0"}}},
        {"a mark and a name at once",
         {{"link", "set", "eth0", "down"},
          {"link", "set", "eth0", "alias", "partd:web/none"},
          {"link", "set", "eth0", "name", "x"}}},
    };
    for (const Drift& drift : kDone) {
        INFO(drift.what);
        put_right(sandbox, drift, inside);
        for (std::size_t i = 0; i < kMarks.size(); ++i) {
            CHECK(link(kMarks[i].first, inside).at("ifalias") == kMarks[i].second);
            CHECK(link(kMarks[i].first, inside).at("ifindex") == indexes[i]);
        }
    }
}

TEST_CASE("A bridge's switches that are not declared are off", "[links]") {
    Sandbox sandbox;
    const std::string head = "[partition.web.link.br0]\nkind = \"bridge\"\n";
    sandbox.write_config("web.toml", head + "stp = true\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    CHECK(bridge_data("br0", inside).at("stp_state") == 1);
    sandbox.write_config("web.toml", head);
    sandbox.apply();
    CHECK(bridge_data("br0", inside).at("stp_state") == 0);
    ip({"link", "set", "br0", "type", "bridge", "stp_state", "1"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(bridge_data("br0", inside).at("stp_state") == 0);
}

TEST_CASE("Bridges that change their names keep their ports", "[links]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml",
                         "[partition.web.link.b1]\nkind = \"bridge\"\n"
                         "[partition.web.link.b9]\nkind = \"bridge\"\n"
                         "[partition.web.link.eth0]\nbridge = \"b9\"\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const auto ninth = link("b9", inside).at("ifindex");
    // Linux before 6.2 renames only what is down
    for (const Arguments& command :
         {Arguments{"link", "set", "b9", "down"}, Arguments{"link", "set", "b9", "name", "x"},
          Arguments{"link", "set", "b1", "down"}, Arguments{"link", "set", "b1", "name", "b9"},
          Arguments{"link", "set", "eth0", "nomaster"}}) {
        ip(command, inside);
    }
    sandbox.apply();
    is_settled(sandbox);
    CHECK(bridge_of("eth0", inside) == "b9");
    CHECK(link("b9", inside).at("ifindex") == ninth);
}

TEST_CASE("vlan: two VLANs over one trunk", "[links][vlan]") {
    Sandbox sandbox;
    if (run({"ip", "link", "add", "probe", "type", "bridge"}).code != 0 ||
        run({"ip", "link", "add", "link", "probe", "name", "tagged", "type", "vlan", "id", "7"}).code != 0) {
        PARTD_CANNOT_RUN("this kernel has no VLANs: tests/system/tests/links.sh runs it on Debian's");
    }
    ip({"link", "del", "probe"});
    sandbox.example("vlan");
    settle(sandbox);
    const int left = sandbox.netns("left");
    const auto check = [&] {
        is_settled(sandbox);
        CHECK(links(left) == Strings{"guests", "office", "trunk"});
        CHECK(link("office", left).at("link") == "trunk");
        CHECK(link("office", left).at("linkinfo").at("info_data").at("id") == 10);
        CHECK(reaches(sandbox, "left", "10.50.10.2"));
        CHECK(reaches(sandbox, "right", "10.50.20.1"));
        CHECK(reaches(sandbox, "left", "fd00:50:10::2"));
    };
    check();
    const std::vector<std::vector<Arguments>> by_hand = {
        {{"link", "del", "office"}},
        {{"link", "set", "office", "down"}},
        {{"link", "del", "office"},
         {"link", "add", "link", "trunk", "name", "office", "type", "vlan", "id", "11"}},
        {{"link", "set", "office", "alias", ""}},
        {{"link", "del", "trunk"}},
    };
    for (const auto& commands : by_hand) {
        INFO(commands.back()[2]);
        for (const Arguments& command : commands) {
            ip(command, left);
        }
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
        check();
    }
    // a mark on the lower link that says it stands on itself
    ip({"link", "set", "trunk", "alias", "partd:left/office"}, left);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    check();
    // on a link of the host's
    ip({"link", "add", "card", "type", "bridge"});
    ip({"link", "set", "card", "up"});
    sandbox.write_config("tagged.toml",
                         "[partition.tagged.link.wan]\nkind = \"vlan\"\nparent = \"host:card\"\nid = 7\n");
    sandbox.apply();
    is_settled(sandbox);
    CHECK(links(sandbox.netns("tagged")) == Strings{"wan"});
    sandbox.remove_config("tagged.toml");
    sandbox.remove_config("vlan.toml");
    sandbox.apply();
    CHECK(links() == Strings{"card"});
}

TEST_CASE("service-address: an address on a dummy interface, behind two links", "[links][dummy]") {
    Sandbox sandbox;
    if (run({"ip", "link", "add", "probe", "type", "dummy"}).code != 0) {
        PARTD_CANNOT_RUN(
            "this kernel has no dummy interfaces: tests/system/tests/links.sh runs it on Debian's");
    }
    ip({"link", "del", "probe"});
    sandbox.example("service-address");
    settle(sandbox);
    const int inside = sandbox.netns("server");
    is_settled(sandbox);
    CHECK(link("svc0", inside).at("linkinfo").at("info_kind") == "dummy");
    CHECK(addresses("svc0", inside) == Strings{"10.40.9.9/32", "fd00:40:9::9/128"});
    for (const char* way : {"10.40.0.2", "10.40.0.6"}) {
        ip({"route", "replace", "10.40.9.9", "via", way});
        CHECK(run({"ping", "-c", "1", "-W", "2", "10.40.9.9"}).code == 0);
    }
    for (const Arguments& command :
         {Arguments{"link", "del", "svc0"}, Arguments{"link", "set", "svc0", "mtu", "1300"},
          Arguments{"link", "set", "svc0", "down"}}) {
        ip(command, inside);
        sandbox.apply();
        is_settled(sandbox);
        CHECK(is_up("svc0", inside));
        CHECK(addresses("svc0", inside) == Strings{"10.40.9.9/32", "fd00:40:9::9/128"});
    }
    sandbox.remove_config("service-address.toml");
    sandbox.apply();
    CHECK(links().empty());
}
