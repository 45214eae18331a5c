// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

std::string partition_with_link(const std::string& name, int index) {
    const auto net = "10.40." + std::to_string(index) + ".";
    return "[partition." + name + ".link.eth0]\naddress = [\"" + net + "1/24\"]\npeer = { address = [\"" +
           net + "2/24\"] }\n";
}

/// A link name of at most 15 bytes whose altname is `full`.
std::string short_name_of(const std::string& full) {
    const auto found = link(full);
    REQUIRE(found.is_object());
    CHECK(found.at("altnames") == Json::array({full}));
    return found.at("ifname");
}

}  // namespace

TEST_CASE("names: pv-NAME for the host's end", "[names]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", partition_with_link("a", 1) + partition_with_link("exactly-12ch", 2));
    sandbox.apply();
    CHECK(links() == Strings{"pv-a", "pv-exactly-12ch"});
    CHECK(pings(kHere, "10.40.1.1"));
    CHECK(pings(kHere, "10.40.2.1"));
}

TEST_CASE("names: capitals are letters, and A is not a", "[names]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", partition_with_link("sampleNet", 1) + partition_with_link("A", 2) +
                                       partition_with_link("a", 3) + "[slice.Batch]\n[partition.A.cgroup]\n" +
                                       "parent = \"Batch\"\n");
    sandbox.apply();
    CHECK(links() == Strings{"pv-A", "pv-a", "pv-sampleNet"});
    for (const char* address : {"10.40.1.1", "10.40.2.1", "10.40.3.1"}) {
        CHECK(pings(kHere, address));
    }
    CHECK(sandbox.partctl({"exec", "sampleNet", "--", "true"}).code == 0);
    sandbox.remove_config("a.toml");
    CHECK(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    CHECK(links() == Strings{});
}

TEST_CASE("names: a host end that a file names is known as one of ours from its first moment", "[names]") {
    constexpr int kHostEndGroup = 28769;  // as units/udev/10-partd.rules has it
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.a.link.eth0]\npeer.name = \"veth0\"\n[partition.a.link.eth1]\n"
                         "[partition.a.link.eth2]\npeer = { partition = \"b\", name = \"eth0\" }\n"
                         "[partition.b]\n");
    sandbox.apply();
    for (const char* name : {"veth0", "pv-a"}) {
        CHECK(link(name).at("group") == std::to_string(kHostEndGroup));
    }
    CHECK(link("veth0").at("altnames") == Json::array({"pv-a.eth0"}));
    CHECK_FALSE(link("pv-a").contains("altnames"));
    CHECK(link("eth1", sandbox.netns("a")).at("group") == "default");
    CHECK_FALSE(link("eth0", sandbox.netns("b")).contains("altnames"));
    // One that an older partd made.
    ip({"link", "property", "del", "dev", "veth0", "altname", "pv-a.eth0"});
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(link("veth0").at("altnames") == Json::array({"pv-a.eth0"}));
    // It goes with the name that the file gave.
    sandbox.write_config("a.toml", "[partition.a.link.eth0]\npeer.name = \"pv-own\"\n");
    sandbox.apply();
    CHECK_FALSE(link("pv-own").contains("altnames"));
}

TEST_CASE("names: over 15 bytes hashed, the full one as altname", "[names]") {
    Sandbox sandbox;
    const std::string first = "a-partition-with-a-long-name-1";
    const std::string second = "a-partition-with-a-long-name-2";
    sandbox.write_config("a.toml", partition_with_link(first, 1) + partition_with_link(second, 2));
    sandbox.apply();
    const auto one = short_name_of("pv-" + first);
    const auto two = short_name_of("pv-" + second);
    CHECK(one != two);
    CHECK(one.size() <= 15);
    CHECK(one.starts_with("pv-"));
    CHECK(pings(kHere, "10.40.1.1"));
    CHECK(pings(sandbox.netns(second), "10.40.2.2"));

    SECTION("the altname taken away by hand is put back") {
        ip({"link", "property", "del", "dev", one, "altname", "pv-" + first});
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
        CHECK(short_name_of("pv-" + first) == one);
    }
    SECTION("the name is the same on another host") {
        sandbox.close_netns();
        const auto again = [&] {
            sandbox.remove_config("a.toml");
            sandbox.apply();
            sandbox.write_config("a.toml", partition_with_link(first, 1) + partition_with_link(second, 2));
            sandbox.apply();
        };
        again();
        CHECK(short_name_of("pv-" + first) == one);
    }
}

TEST_CASE("names: the longest partition name goes all the way", "[names]") {
    Sandbox sandbox;
    forward_everything();
    const auto before = snapshot(sandbox);
    const std::string name = GENERATE(std::string(63, 'x'), std::string(64, 'y'));
    INFO(name.size() << " bytes");
    sandbox.write_config("long.toml", partition_with_link(name, 1) + "[partition." + name +
                                          ".cgroup]\npids.max = 50\n[partition." + name +
                                          ".dns]\nnameserver = [\"9.9.9.9\"]\n[partition." + name +
                                          ".nat]\nmasquerade = true\n");
    sandbox.apply();
    CHECK(netns_names() == Strings{name});
    CHECK(short_name_of("pv-" + name).size() <= 15);
    CHECK(pings(kHere, "10.40.1.1"));
    CHECK(sandbox.cgroups().limit("partd.slice/partd-" + name + ".slice", "pids.max") == 50);
    CHECK(status_of(sandbox, name).at("state") == "active");
    CHECK(sandbox.partctl({"exec", name, "--", "true"}).code == 0);
    sandbox.remove_config("long.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("names: beyond the longest is refused", "[names]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    for (const auto& name :
         {std::string(65, 'x'), std::string("-a"), std::string("a-"), std::string("\"a/b\""),
          std::string("\"..\""), std::string("\"a%d\""), std::string("\"a\\u001b\"")}) {
        INFO(name);
        sandbox.write_config("long.toml", partition_with_link(name, 1));
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 3);
        CHECK(applied.err.find("long.toml:1:") != std::string::npos);
        CHECK(applied.err.find('\x1b') == std::string::npos);
    }
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("names: interfaces of 15 bytes and odd characters", "[names]") {
    Sandbox sandbox;
    sandbox.write_config("i.toml", R"(
[partition.i.link."fifteen-bytes.x"]
address = ["10.41.0.1/24"]
peer = { name = "host_end-15byte", address = ["10.41.0.2/24"] }
[partition.i.sysctl]
net.ipv4.conf."fifteen-bytes.x".rp_filter = 2
)");
    sandbox.apply();
    CHECK(links() == Strings{"host_end-15byte"});
    CHECK(links(sandbox.netns("i")) == Strings{"fifteen-bytes.x"});
    CHECK(pings(kHere, "10.41.0.1"));
}

TEST_CASE("names: several links in one partition", "[names][veth]") {
    Sandbox sandbox;
    sandbox.write_config("m.toml", R"(
[partition.m.link.eth0]
address = ["10.42.0.1/24"]
peer = { name = "m0", address = ["10.42.0.2/24"] }
[partition.m.link.eth1]
address = ["10.43.0.1/24"]
peer = { name = "m1", address = ["10.43.0.2/24"] }
[partition.m.link.lo]
address = ["192.0.2.1/32", "2001:db8::1/128"]
)");
    sandbox.apply();
    const int inside = sandbox.netns("m");
    CHECK(links() == Strings{"m0", "m1"});
    CHECK(links(inside) == Strings{"eth0", "eth1"});
    CHECK(addresses("lo", inside) == Strings{"192.0.2.1/32", "2001:db8::1/128"});
    CHECK(pings(kHere, "10.42.0.1"));
    CHECK(pings(kHere, "10.43.0.1"));
    CHECK(pings(inside, "192.0.2.1"));
}

TEST_CASE("names: a link renamed in the files, addresses and all", "[names][edit]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    sandbox.write_config("workshop.toml",
                         "[partition.workshop.link.bench0]\naddress = [\"10.1.1.1/24\"]\npeer = { name = "
                         "\"veth0\", address = [\"10.1.1.2/24\"] }\n");
    sandbox.apply();
    CHECK(links() == Strings{"veth0"});
    CHECK(links(sandbox.netns("workshop")) == Strings{"bench0"});
    CHECK(pings(kHere, "10.1.1.1"));
}

TEST_CASE("names: the host's end renamed in the files", "[names][edit]") {
    const auto named = [](const std::string& name, const std::string& address) {
        return "[partition.r.link.eth0]\npeer = { name = \"" + name + "\", address = [" + address + "] }\n";
    };
    Sandbox sandbox;
    sandbox.write_config("r.toml", named("r0", R"("10.45.0.1/24", "10.45.0.2/24")"));
    sandbox.apply();
    const auto index = link("r0").at("ifindex");
    SECTION("with its addresses") {
        sandbox.write_config("r.toml", named("r1", R"("10.45.0.1/24", "10.45.0.2/24")"));
        sandbox.apply();
        CHECK(addresses("r1") == Strings{"10.45.0.1/24", "10.45.0.2/24"});
    }
    SECTION("without the first of them") {
        sandbox.write_config("r.toml", named("r1", R"("10.45.0.2/24")"));
        sandbox.apply();
        CHECK(addresses("r1") == Strings{"10.45.0.2/24"});
    }
    SECTION("without any") {
        sandbox.write_config("r.toml", named("r1", ""));
        sandbox.apply();
        CHECK(addresses("r1").empty());
    }
    SECTION("by hand, and without any in the files") {
        ip({"link", "set", "r0", "down"});
        ip({"link", "set", "r0", "name", "oops"});
        ip({"link", "set", "oops", "up"});
        sandbox.write_config("r.toml", named("r1", ""));
        sandbox.apply();
        CHECK(addresses("r1").empty());
    }
    CHECK(links() == Strings{"r1"});
    CHECK(link("r1").at("ifindex") == index);
}

TEST_CASE("names: a long default name goes from one link to another", "[names][edit]") {
    const std::string partition = "a-partition-with-a-long-name";
    const auto links_of = [&](const std::string& first, const std::string& second) {
        const std::string head = "[partition." + partition + ".link.";
        return head + "eth0]\npeer = {" + first + "}\n" + head + "eth1]\npeer = {" + second + "}\n";
    };
    Sandbox sandbox;
    sandbox.write_config("l.toml", links_of("", " name = \"second\" "));
    sandbox.apply();
    const auto first = link("pv-" + partition);
    sandbox.write_config("l.toml", links_of(" name = \"first\" ", ""));
    sandbox.apply();
    CHECK(link("first").at("ifindex") == first.at("ifindex"));
    CHECK(link("first").at("altnames") == Json::array({"pv-" + partition + ".eth0"}));
    CHECK(link("pv-" + partition).at("ifname") == first.at("ifname"));
    CHECK(link("pv-" + partition).at("ifindex") != first.at("ifindex"));
}

TEST_CASE("names: a second link without a name for its host end comes and goes, and the first stays",
          "[names][edit]") {
    const std::string partition = GENERATE("two", "two-of-them-in-a-partition");
    const auto link_of = [&](const std::string& name) {
        const std::string net = "10.45." + name.substr(3) + ".";
        return "[partition." + partition + ".link." + name + "]\naddress = [\"" + net +
               "2/24\"]\npeer = { address = [\"" + net + "1/24\"] }\n";
    };
    const std::string first = "pv-" + partition;
    const std::string second = first + ".eth1";
    Sandbox sandbox;
    sandbox.write_config("t.toml", link_of("eth0"));
    sandbox.apply();
    const auto before = link(first);
    for (const auto& text : {link_of("eth0") + link_of("eth1"), link_of("eth1") + link_of("eth0")}) {
        sandbox.write_config("t.toml", text);
        sandbox.apply();
        CHECK(link(first).at("ifindex") == before.at("ifindex"));
        CHECK(link(first).at("ifname") == before.at("ifname"));
        CHECK(link(second).at("ifname") != before.at("ifname"));
        CHECK(pings(sandbox.netns(partition), "10.45.0.1"));
        CHECK(pings(sandbox.netns(partition), "10.45.1.1"));
    }
    const auto other = link(second).at("ifindex");
    SECTION("the second goes") {
        sandbox.write_config("t.toml", link_of("eth0"));
        sandbox.apply();
        CHECK(link(first).at("ifindex") == before.at("ifindex"));
        CHECK(links().size() == 1);
    }
    SECTION("the first goes, and the second is the only one") {
        sandbox.write_config("t.toml", link_of("eth1"));
        sandbox.apply();
        CHECK(link(first).at("ifindex") == other);
        CHECK(links().size() == 1);
        sandbox.write_config("t.toml", link_of("eth0") + link_of("eth1"));
        sandbox.apply();
        CHECK(link(second).at("ifindex") == other);
        CHECK(pings(sandbox.netns(partition), "10.45.0.1"));
    }
}

TEST_CASE("names: a host end gets the name that was its alternative one, and back", "[names][edit]") {
    Sandbox sandbox;
    const std::string head = "[partition.s.link.";
    const std::string named = head + "eth0]\npeer.name = \"s0\"\n" + head + "eth1]\npeer.name = \"s1\"\n";
    sandbox.write_config("s.toml", named);
    sandbox.apply();
    CHECK(link("s1").at("altnames") == Json::array({"pv-s.eth1"}));
    const auto index = link("s1").at("ifindex");
    sandbox.write_config("s.toml", head + "eth0]\n" + head + "eth1]\n");
    sandbox.apply();
    CHECK(link("pv-s.eth1").at("ifname") == "pv-s.eth1");
    CHECK(link("pv-s.eth1").at("ifindex") == index);
    sandbox.write_config("s.toml", named);
    sandbox.apply();
    CHECK(link("s1").at("ifindex") == index);
    CHECK(link("s1").at("altnames") == Json::array({"pv-s.eth1"}));
}

TEST_CASE("links: up = false, alias", "[veth]") {
    Sandbox sandbox;
    sandbox.write_config(
        "u.toml",
        "[partition.u.link.eth0]\nup = false\naddress = [\"10.44.0.1/24\"]\npeer = { name = \"u0\" }\n");
    sandbox.apply();
    CHECK_FALSE(is_up("eth0", sandbox.netns("u")));
    sandbox.write_config("u.toml",
                         "[partition.u.link.eth0]\nalias = \"to the lab\"\naddress = "
                         "[\"10.44.0.1/24\"]\npeer = { name = \"u0\" }\n");
    sandbox.apply();
    CHECK(is_up("eth0", sandbox.netns("u")));
    CHECK(link("eth0", sandbox.netns("u")).at("ifalias").get<std::string>().find("to the lab") !=
          std::string::npos);
}
