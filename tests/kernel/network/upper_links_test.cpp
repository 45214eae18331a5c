// SPDX-License-Identifier: Apache-2.0
// Links that take packets of a lower one: macvlan and ipvlan; and ifb, which takes what tc gives it.

#include "daemon_fixture.h"
#include "type_trial.h"

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// The host's card, and a port of the office's network at its other end: 192.168.77.1.
void make_card() {
    ip({"link", "add", "eth0", "type", "veth", "peer", "name", "office"});
    ip({"address", "add", "192.168.77.1/24", "dev", "office"});
    for (const char* end : {"eth0", "office"}) {
        ip({"link", "set", end, "addrgenmode", "none"});  // its routes would come a moment later
        ip({"link", "set", end, "up"});
    }
}

}  // namespace

TEST_CASE("macvlan: two servers in the network of the host's card", "[links][macvlan]") {
    Sandbox sandbox;
    make_card();
    if (!kernel_makes({"link", "eth0", "type", "macvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no macvlan");
    }
    const auto card = link("eth0");
    const auto before = snapshot(sandbox);
    sandbox.example("macvlan");
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("mail");
    const auto check = [&] {
        CHECK(made_links(inside) == Strings{"eth0"});
        CHECK(type_data("eth0", inside).at("mode") == "bridge");
        CHECK(addresses("eth0", inside) == Strings{"192.168.77.11/24"});
        CHECK(reaches(sandbox, "mail", "192.168.77.12"));
        CHECK(reaches(sandbox, "wiki", "192.168.77.1"));
        CHECK(link("eth0", sandbox.netns("wiki")).at("address") == "02:00:00:77:00:12");
    };
    check();
    is_put_back(
        sandbox, inside,
        {{"another mode", {{"link", "set", "eth0", "type", "macvlan", "mode", "private"}}},
         {"down", {{"link", "set", "eth0", "down"}}},
         {"its mark is gone", {{"link", "set", "eth0", "alias", ""}}},
         {"narrower", {{"link", "set", "eth0", "mtu", "1300"}, {"link", "set", "eth0", "down"}}},
         {"another name", {{"link", "set", "eth0", "down"}, {"link", "set", "eth0", "name", "x"}}},
         {"deleted", {{"link", "del", "eth0"}}},
         {"another kind in its place", {{"link", "del", "eth0"}, {"link", "add", "eth0", "type", "bridge"}}}},
        check);
    sandbox.remove_config("macvlan.toml");
    sandbox.apply();
    sandbox.close_netns();  // they would keep what stands on the card
    CHECK(eventually([&] { return link("eth0") == card; }));
    is_as_before(sandbox, before);
}

TEST_CASE("A macvlan changes its mode in place, but not to passthru and back", "[links][macvlan]") {
    Sandbox sandbox;
    make_card();
    if (!kernel_makes({"link", "eth0", "type", "macvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no macvlan");
    }
    const std::string head = "[partition.web.link.m0]\nkind = \"macvlan\"\nparent = \"host:eth0\"\nmode = ";
    sandbox.write_config("web.toml", head + "\"vepa\"\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    auto index = link("m0", inside).at("ifindex");
    for (const auto& [mode, stays] :
         {std::pair("private", true), std::pair("bridge", true), std::pair("passthru", false),
          std::pair("passthru", true), std::pair("vepa", false)}) {
        INFO(mode);
        sandbox.write_config("web.toml", head + "\"" + mode + "\"\n");
        sandbox.apply();
        is_settled(sandbox);
        CHECK(type_data("m0", inside).at("mode") == mode);
        CHECK((link("m0", inside).at("ifindex") == index) == stays);
        index = link("m0", inside).at("ifindex");
    }
}

TEST_CASE("A macvlan on a link of its partition goes and comes with it", "[links][macvlan]") {
    Sandbox sandbox;
    ip({"link", "add", "lower", "type", "bridge"});
    if (!kernel_makes({"link", "lower", "type", "macvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no macvlan");
    }
    sandbox.write_config("web.toml",
                         "[partition.web.link.eth0]\nmtu = 9000\n"
                         "[partition.web.link.m0]\nkind = \"macvlan\"\nparent = \"eth0\"\nmtu = 8000\n"
                         "address = [\"10.1.1.1/24\"]\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    const auto check = [&] {
        CHECK(made_links(inside) == Strings{"eth0", "m0"});
        CHECK(link("m0", inside).at("link") == "eth0");
        CHECK(link("m0", inside).at("mtu") == 8000);
        CHECK(addresses("m0", inside) == Strings{"10.1.1.1/24"});
    };
    check();
    is_put_back(sandbox, inside,
                {{"its lower link is deleted", {{"link", "del", "eth0"}}},
                 {"on another link",
                  {{"link", "del", "m0"},
                   {"link", "add", "theirs", "type", "bridge"},
                   {"link", "add", "link", "theirs", "name", "m0", "type", "macvlan", "mode", "bridge"},
                   {"link", "set", "m0", "alias", "partd:web/m0"}}}},
                [&] {
                    if (has_link("theirs", inside)) {
                        ip({"link", "del", "theirs"}, inside);
                    }
                    check();
                });
}

TEST_CASE("A link is replaced by a macvlan as wide as the host's card", "[links][macvlan]") {
    Sandbox sandbox;
    make_card();
    if (!kernel_makes({"link", "eth0", "type", "macvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no macvlan");
    }
    ip({"link", "set", "eth0", "mtu", "9000"});
    sandbox.write_config("web.toml", "[partition.web.link.eth0]\n");
    sandbox.apply();
    // It is tried out on a link that has to be as wide.
    sandbox.write_config(
        "web.toml", "[partition.web.link.eth0]\nkind = \"macvlan\"\nparent = \"host:eth0\"\nmtu = 9000\n");
    sandbox.apply();
    is_settled(sandbox);
    CHECK(link("eth0", sandbox.netns("web")).at("mtu") == 9000);
}

TEST_CASE("A macvlan whose lower link is taken by a bridge of others says so", "[links][macvlan]") {
    Sandbox sandbox;
    make_card();
    if (!kernel_makes({"link", "eth0", "type", "macvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no macvlan");
    }
    ip({"link", "add", "theirs", "type", "bridge"});
    ip({"link", "set", "eth0", "master", "theirs"});
    sandbox.write_config("web.toml", "[partition.web.link.m0]\nkind = \"macvlan\"\nparent = \"host:eth0\"\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find(
              "host:eth0 is a port of a bridge, which takes its packets: Device or resource busy") !=
          std::string::npos);
    ip({"link", "set", "eth0", "nomaster"});
    sandbox.apply();
    is_settled(sandbox);
}

TEST_CASE("partd keeps macvlans as declared, and starts again without a change", "[links][macvlan]") {
    const std::string head = "[partition.web.link.m0]\nkind = \"macvlan\"\n";
    Configured configured(head + "parent = \"host:eth0\"\n");
    const Sandbox& sandbox = configured.sandbox;
    make_card();
    ip({"link", "add", "eth1", "type", "bridge"});
    if (!kernel_makes({"link", "eth0", "type", "macvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no macvlan");
    }
    const auto there = [&](const std::string& mode) {
        const auto made = exec_in(sandbox, "web", {"ip", "-d", "link", "show", "dev", "m0"});
        return made.code == 0 && made.out.find("macvlan mode " + mode) != std::string::npos;
    };
    const auto index = [&] { return exec_in(sandbox, "web", {"cat", "/sys/class/net/m0/ifindex"}).out; };
    {
        const Daemon daemon;
        REQUIRE(eventually([&] { return exists("web") && there("bridge"); }));
        CHECK(converged(sandbox));
    }
    const std::string before = index();
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox) && converged(sandbox); }));
    CHECK(index() == before);
    (void)exec_in(sandbox, "web", {"ip", "link", "set", "m0", "type", "macvlan", "mode", "vepa"});
    CHECK(eventually([&] { return there("bridge"); }));
    CHECK(index() == before);
    (void)exec_in(sandbox, "web", {"ip", "link", "del", "m0"});
    CHECK(eventually([&] { return there("bridge"); }));
    sandbox.write_config("web.toml", head + "parent = \"host:eth0\"\nmode = \"private\"\n");
    CHECK(eventually([&] { return there("private"); }));
    sandbox.write_config("web.toml", head + "parent = \"host:eth1\"\nmode = \"vepa\"\n");
    CHECK(eventually([&] { return there("vepa"); }));
    CHECK(converged(sandbox));
    // a parent that comes back
    ip({"link", "del", "eth1"});
    CHECK(eventually([&] { return !there("vepa"); }));
    ip({"link", "add", "eth1", "type", "bridge"});
    CHECK(eventually([&] { return there("vepa"); }));
    CHECK(converged(sandbox));
}

TEST_CASE("ipvlan: partitions with the hardware address of the host's card", "[links][ipvlan]") {
    Sandbox sandbox;
    make_card();
    if (!kernel_makes({"link", "eth0", "type", "ipvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no ipvlan: the machine of tests/system has");
    }
    const auto card = link("eth0");
    const auto file = [](const std::string& keys) {
        std::string text;
        for (const char* number : {"1", "2"}) {
            text += "[partition.p" + std::string(number) +
                    ".link.eth0]\nkind = \"ipvlan\"\nparent = \"host:eth0\"\naddress = [\"192.168.77.2" +
                    number + "/24\"]\n" + keys;
        }
        return text;
    };
    sandbox.write_config("web.toml", file(""));
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("p1");
    const auto index = link("eth0", inside).at("ifindex");
    const auto check = [&] {
        CHECK(type_data("eth0", inside).at("mode") == "l2");
        CHECK(link("eth0", inside).at("address") == card.at("address"));
        CHECK(reaches(sandbox, "p1", "192.168.77.22"));
        CHECK(reaches(sandbox, "p1", "192.168.77.1"));
    };
    check();
    is_put_back(sandbox, inside,
                {{"another mode", {{"link", "set", "eth0", "type", "ipvlan", "mode", "l3"}}},
                 {"other flags", {{"link", "set", "eth0", "type", "ipvlan", "mode", "l2", "private"}}},
                 {"down", {{"link", "set", "eth0", "down"}}},
                 {"deleted", {{"link", "del", "eth0"}}}},
                check);
    const auto again = link("eth0", inside).at("ifindex");
    CHECK(again != index);
    for (const char* mode : {"l3", "l3s", "l2"}) {
        INFO(mode);
        sandbox.write_config("web.toml", file(std::string("flags = \"vepa\"\nmode = \"") + mode + "\"\n"));
        sandbox.apply();
        is_settled(sandbox);
        CHECK(type_data("eth0", inside).at("mode") == mode);
        CHECK(link("eth0", inside).at("ifindex") == again);
    }
    sandbox.remove_config("web.toml");
    sandbox.apply();
    sandbox.close_netns();  // they would keep what stands on the card
    CHECK(eventually([&] { return link("eth0") == card; }));
    CHECK(made_links() == Strings{"eth0", "office"});
}

TEST_CASE("An ipvlan on a card with a macvlan of others says so", "[links][ipvlan]") {
    Sandbox sandbox;
    make_card();
    if (!kernel_makes({"link", "eth0", "type", "ipvlan"})) {
        PARTD_CANNOT_RUN("this kernel has no ipvlan: the machine of tests/system has");
    }
    ip({"link", "add", "link", "eth0", "name", "theirs", "type", "macvlan"});
    sandbox.write_config("web.toml", "[partition.web.link.i0]\nkind = \"ipvlan\"\nparent = \"host:eth0\"\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(
        applied.err.find("host:eth0 carries theirs of kind macvlan, and nothing of kind ipvlan beside it") !=
        std::string::npos);
    ip({"link", "del", "theirs"});
    sandbox.apply();
    is_settled(sandbox);
}

TEST_CASE("An ifb is made, put back and removed", "[links][ifb]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "ifb"})) {
        PARTD_CANNOT_RUN("this kernel has no ifb");
    }
    const auto before = snapshot(sandbox);
    sandbox.write_config("web.toml", "[partition.web.link.queue]\nkind = \"ifb\"\nmtu = 1400\n");
    sandbox.apply();
    is_settled(sandbox);
    const int inside = sandbox.netns("web");
    const auto check = [&] {
        CHECK(made_links(inside) == Strings{"queue"});
        CHECK(link("queue", inside).at("linkinfo").at("info_kind") == "ifb");
        CHECK(link("queue", inside).at("mtu") == 1400);
        CHECK(is_up("queue", inside));
    };
    check();
    is_put_back(sandbox, inside,
                {{"deleted", {{"link", "del", "queue"}}},
                 {"down", {{"link", "set", "queue", "down"}}},
                 {"wider", {{"link", "set", "queue", "mtu", "1500"}}}},
                check);
    sandbox.remove_config("web.toml");
    sandbox.apply();
    is_as_before(sandbox, before);
}
