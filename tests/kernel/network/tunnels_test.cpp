// SPDX-License-Identifier: Apache-2.0
// Links that carry packets inside others: vxlan, gre, ipip, sit.

#include "daemon_fixture.h"
#include "type_trial.h"

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// Two partitions that reach each other at 10.60.0.1 and 10.60.0.2.
const std::string kUnderlay =
    "[partition.west]\n"
    "[partition.east.link.wan]\naddress = [\"10.60.0.1/30\"]\n"
    "peer = { partition = \"west\", name = \"wan\", address = [\"10.60.0.2/30\"] }\n";

/// A tunnel between them: 10.62.0.1 and 10.62.0.2, or fd00:62::.
std::string tunnel(const std::string& kind, const std::string& keys, bool v6) {
    const auto end = [&](const std::string& partition, const std::string& own, const std::string& other) {
        return "[partition." + partition + ".link.tun]\nkind = \"" + kind + "\"\nlocal = \"10.60.0." + own +
               "\"\nremote = \"10.60.0." + other + "\"\naddress = [\"" +
               (v6 ? "fd00:62::" + own + "/64" : "10.62.0." + own + "/30") + "\"]\n" + keys;
    };
    return kUnderlay + end("east", "1", "2") + end("west", "2", "1");
}

}  // namespace

TEST_CASE("vxlan: a segment between two partitions", "[links][vxlan]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "vxlan", "id", "5", "dstport", "4789"})) {
        PARTD_CANNOT_RUN("this kernel has no VXLANs");
    }
    const auto before = snapshot(sandbox);
    sandbox.example("vxlan");
    settle(sandbox);
    is_settled(sandbox);
    const int east = sandbox.netns("east");
    const auto index = link("lan", east).at("ifindex");
    const auto check = [&] {
        const Json data = type_data("lan", east);
        CHECK(data.at("id") == 42);
        CHECK(data.at("port") == 4789);
        CHECK(data.at("local") == "10.60.0.1");
        CHECK(data.at("remote") == "10.60.0.2");
        CHECK(data.at("learning") == true);
        CHECK(addresses("lan", east) == Strings{"10.61.0.1/24", "fd00:61::1/64"});
        CHECK(reaches(sandbox, "east", "10.61.0.2"));
        CHECK(reaches(sandbox, "west", "fd00:61::1"));
    };
    check();
    const auto set = [](Arguments words) {
        Arguments command = {"link", "set", "lan", "type", "vxlan", "id", "42"};
        command.insert(command.end(), words.begin(), words.end());
        return std::vector<Arguments>{command};
    };
    is_put_back(sandbox, east,
                {{"another remote host", set({"remote", "10.60.0.9"})},
                 {"another local address", set({"local", "10.60.0.9"})},
                 {"it learns nothing", set({"nolearning"})},
                 {"another time to live", set({"ttl", "7"})}},
                [&] {
                    check();
                    CHECK(link("lan", east).at("ifindex") == index);
                });
    is_put_back(sandbox, east,
                {{"deleted", {{"link", "del", "lan"}}},
                 {"another number",
                  {{"link", "del", "lan"},
                   {"link", "add", "lan", "type", "vxlan", "id", "43", "dstport", "4789"},
                   {"link", "set", "lan", "alias", "partd:east/lan"}}},
                 {"down", {{"link", "set", "lan", "down"}}}},
                check);
    sandbox.remove_config("vxlan.toml");
    sandbox.apply();
    is_as_before(sandbox, before);
}

TEST_CASE("A vxlan changes its attributes in place where the kernel can", "[links][vxlan]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "vxlan", "id", "5", "dstport", "4789"})) {
        PARTD_CANNOT_RUN("this kernel has no VXLANs");
    }
    ip({"link", "add", "card", "type", "bridge"});
    ip({"link", "set", "card", "up"});
    const std::string head = "[partition.web.link.vx]\nkind = \"vxlan\"\nid = 7\n";
    sandbox.write_config("web.toml", head);
    sandbox.apply();
    const int inside = sandbox.netns("web");
    auto index = link("vx", inside).at("ifindex");
    const std::vector<std::pair<std::string, bool>> kEdits = {
        {"remote = \"10.1.1.1\"\nttl = 9\nlearning = false\n", true},
        {"local = \"10.1.1.2\"\n", true},
        {"local = \"fd00::2\"\n", false},
        {"local = \"fd00::2\"\nremote = \"fd00::3\"\n", true},
        {"remote = \"fd00::3\"\n", true},
        {"port = 8472\n", false},
        {"parent = \"host:card\"\ngroup = \"239.1.1.1\"\nmtu = 1400\n", false},
        {"parent = \"host:card\"\nremote = \"10.1.1.1\"\n", false},
        {"parent = \"host:card\"\n", true},
        {"", false},
    };
    for (const auto& [keys, stays] : kEdits) {
        INFO(keys);
        sandbox.write_config("web.toml", head + keys);
        sandbox.apply();
        is_settled(sandbox);
        INFO(link("vx", inside).dump());
        CHECK(((link("vx", inside).at("ifindex") == index) == stays || keys.find("group") != keys.npos ||
               keys.find("10.1.1.1\"\n") != keys.npos));
        index = link("vx", inside).at("ifindex");
    }
    sandbox.remove_config("web.toml");
    sandbox.apply();
    CHECK(made_links() == Strings{"card"});
}

TEST_CASE("A vxlan on a card of the host has its socket there", "[links][vxlan]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "vxlan", "id", "5", "dstport", "4789"})) {
        PARTD_CANNOT_RUN("this kernel has no VXLANs");
    }
    ip({"link", "add", "card", "type", "bridge"});
    ip({"link", "set", "card", "up"});
    sandbox.write_config("web.toml",
                         "[partition.web.link.vx]\nkind = \"vxlan\"\nid = 7\nparent = \"host:card\"\n"
                         "group = \"239.1.1.1\"\n");
    sandbox.apply();
    is_settled(sandbox);
    CHECK(run({"ss", "-Hlun", "sport", "=", "4789"}).out.find("4789") != std::string::npos);
    const int inside = sandbox.netns("web");
    CHECK(type_data("vx", inside).at("group") == "239.1.1.1");
    ip({"link", "del", "vx"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    is_settled(sandbox);
    // The card goes, and takes it along; then it is missed by name.
    ip({"link", "del", "card"});
    const auto applied = sandbox.partctl({"apply"});
    CHECK(applied.code == 6);
    CHECK(applied.err.find("find host:card: No such device") != std::string::npos);
    ip({"link", "add", "card", "type", "bridge"});
    ip({"link", "set", "card", "up"});
    sandbox.apply();
    is_settled(sandbox);
}

TEST_CASE("partd notices that a vxlan leaves its card and comes back to it", "[links][vxlan]") {
    const std::string head = "[partition.web.link.vx]\nkind = \"vxlan\"\nid = 7\n";
    Configured configured(head + "parent = \"host:card\"\n");
    const Sandbox& sandbox = configured.sandbox;
    if (!kernel_makes({"type", "vxlan", "id", "5", "dstport", "4789"})) {
        PARTD_CANNOT_RUN("this kernel has no VXLANs");
    }
    ip({"link", "add", "card", "type", "bridge"});
    ip({"link", "set", "card", "up"});
    const auto on_card = [&] {
        const auto made = exec_in(sandbox, "web", {"ip", "-d", "link", "show", "dev", "vx"});
        return made.code == 0 && made.out.find("link-netns") != std::string::npos;
    };
    const Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && on_card(); }));
    CHECK(converged(sandbox));
    sandbox.write_config("web.toml", head);
    CHECK(eventually([&] { return !on_card() && converged(sandbox); }));
    sandbox.write_config("web.toml", head + "parent = \"host:card\"\n");
    CHECK(eventually([&] { return on_card() && converged(sandbox); }));
}

TEST_CASE("A VXLAN whose number another program has in the namespace is an error that says so",
          "[links][vxlan]") {
    Sandbox sandbox;
    if (!kernel_makes({"type", "vxlan", "id", "5", "dstport", "4789"})) {
        PARTD_CANNOT_RUN("this kernel has no VXLANs");
    }
    sandbox.write_config("web.toml", "[partition.web]\n");
    sandbox.apply();
    const int inside = sandbox.netns("web");
    ip({"link", "add", "theirs", "type", "vxlan", "id", "7", "dstport", "4789"}, inside);
    sandbox.write_config("web.toml", "[partition.web.link.vx]\nkind = \"vxlan\"\nid = 7\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("VNI already exists") != std::string::npos);
    ip({"link", "del", "theirs"}, inside);
    sandbox.apply();
    is_settled(sandbox);
}

TEST_CASE("gre, ipip and sit: tunnels between two partitions", "[links][gre][ipip][sit]") {
    struct Kind {
        std::string kind;
        std::string keys;
        bool v6;
        std::string other;  ///< of ip: an attribute that it has besides
    };
    const std::vector<Kind> kKinds = {
        {"gre", "ttl = 64\n", false, ""},
        {"gre", "key = 7\n", true, ""},
        {"ipip", "ttl = 64\n", false, ""},
        {"sit", "ttl = 64\n", true, ""},
    };
    for (const Kind& each : kKinds) {
        INFO(each.kind);
        Sandbox sandbox;
        if (!kernel_makes({"type", each.kind, "local", "10.9.9.1", "remote", "10.9.9.2"})) {
            PARTD_CANNOT_RUN("this kernel has no " + each.kind + ": the machine of tests/system has");
        }
        const auto before = snapshot(sandbox);
        sandbox.write_config("web.toml", tunnel(each.kind, each.keys, each.v6));
        settle(sandbox);
        is_settled(sandbox);
        const int east = sandbox.netns("east");
        const auto index = link("tun", east).at("ifindex");
        const auto check = [&] {
            const Json data = type_data("tun", east);
            INFO(data.dump());
            CHECK(data.at("local") == "10.60.0.1");
            CHECK(data.at("remote") == "10.60.0.2");
            CHECK(data.at("ttl") == (each.keys == "ttl = 64\n" ? 64 : 0));
            CHECK(is_up("tun", east));
            CHECK(reaches(sandbox, "east", each.v6 ? "fd00:62::2" : "10.62.0.2"));
        };
        check();
        const auto set = [&](Arguments words) {
            Arguments command = {"link", "set", "tun", "type", each.kind};
            command.insert(command.end(), words.begin(), words.end());
            return std::vector<Arguments>{command};
        };
        is_put_back(sandbox, east,
                    {{"another time to live", set({"ttl", "9"})},
                     {"another remote host", set({"remote", "10.60.0.9"})},
                     {"another local address", set({"local", "10.60.0.9"})}},
                    [&] {
                        check();
                        CHECK(link("tun", east).at("ifindex") == index);
                    });
        std::vector<ByHand> harsh = {{"deleted", {{"link", "del", "tun"}}},
                                     {"down", {{"link", "set", "tun", "down"}}}};
        if (each.kind == "gre") {
            harsh.push_back({"another key", set({"key", "9"})});
        }
        is_put_back(sandbox, east, harsh, check);
        sandbox.remove_config("web.toml");
        sandbox.apply();
        is_as_before(sandbox, before);
    }
}
