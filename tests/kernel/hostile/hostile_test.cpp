// SPDX-License-Identifier: Apache-2.0
// Ways in which a neighbour, an administrator's own object or an odd declaration could have been harmed.

#include "host_view.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

TEST_CASE("hostile: a foreign pair with the same indexes is not taken for ours", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.near]\n[partition.ours.link.eth0]\npeer = { name = \"ours0\" }\n");
    sandbox.apply();
    const Netns other;
    const auto self = link("eth0", sandbox.netns("ours")).at("ifindex").get<int>();
    const auto peer = link("ours0").at("ifindex").get<int>();
    const int near = sandbox.netns("near");
    ip({"link", "add", "foreign0", "index", std::to_string(self), "type", "veth", "peer", "name", "foreign1",
        "index", std::to_string(peer), "netns",
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(other.fd())},
       near);
    ip({"link", "set", "eth0", "alias", ""}, sandbox.netns("ours"));
    sandbox.apply();
    CHECK(links(near) == Strings{"foreign0"});
    CHECK(links(other.fd()) == Strings{"foreign1"});
    CHECK(has_link("ours0"));
}

TEST_CASE("hostile: a mark inside a partition does not speak for another one", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.mimic]\n[partition.ours.link.eth0]\npeer = { name = \"ours0\" }\n");
    sandbox.apply();
    const int mimic = sandbox.netns("mimic");
    ip({"link", "add", "evil", "type", "veth", "peer", "name", "evil2"}, mimic);
    ip({"link", "set", "evil", "alias", "partd:ours/eth0"}, mimic);
    CHECK(sandbox.diff() == 0);
    sandbox.apply();
    CHECK(links(mimic) == Strings{"evil", "evil2"});
    CHECK(is_up("ours0"));
}

TEST_CASE("hostile: a partition that renames its lo holds nobody up", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.odd]\n[partition.ours.link.eth0]\npeer = { name = \"ours0\" }\n");
    sandbox.apply();
    ip({"link", "set", "lo", "down"}, sandbox.netns("odd"));
    ip({"link", "set", "lo", "name", "foo"}, sandbox.netns("odd"));
    ip({"link", "set", "ours0", "down"});
    sandbox.apply();
    CHECK(is_up("ours0"));
    CHECK(is_up("foo", sandbox.netns("odd")));
}

TEST_CASE("hostile: an alias that was cleared is put back, and nothing is foreign afterwards", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.p.link.eth0]\naddress = [\"10.0.0.2/24\"]\npeer = { name = \"p0\", "
                         "address = [\"10.0.0.1/24\"] }\n");
    sandbox.apply();
    for (const auto& [name, where] : {std::pair{"eth0", sandbox.netns("p")}, std::pair{"p0", kHere}}) {
        ip({"link", "set", name, "alias", ""}, where);
        sandbox.apply();
    }
    sandbox.write_config("a.toml",
                         "[partition.p.link.eth0]\naddress = [\"10.0.0.3/24\"]\npeer = { name = \"p0\", "
                         "address = [\"10.0.0.1/24\"] }\n");
    sandbox.apply();
    CHECK(addresses("eth0", sandbox.netns("p")) == Strings{"10.0.0.3/24"});
}

TEST_CASE("hostile: an administrator's address stays when ours of the same network goes", "[hostile]") {
    Sandbox sandbox;
    const auto config = [](const std::string& address) {
        return "[partition.p.link.eth0]\npeer = { name = \"p0\", address = [\"" + address + "\"] }\n";
    };
    sandbox.write_config("a.toml", config("10.0.0.1/24"));
    sandbox.apply();
    ip({"address", "add", "10.0.0.77/24", "dev", "p0"});
    sandbox.write_config("a.toml", config("10.0.0.9/24"));
    sandbox.apply();
    auto found = addresses("p0");
    std::sort(found.begin(), found.end());
    CHECK(found == Strings{"10.0.0.77/24", "10.0.0.9/24"});
}

TEST_CASE("hostile: needs in a circle lose no change", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", R"([partition.p.link.eth0]
address = ["10.0.0.2/24"]
[partition.p.link.eth1]
peer.name = "p1"
address = ["192.168.1.2/24"]
[[partition.p.route]]
to = "10.0.0.0/8"
via = "192.168.1.1"
[[partition.p.route]]
to = "192.168.0.0/16"
via = "10.0.0.1"
[partition.q.link.ipv6]
peer.name = "q0"
[partition.q.sysctl]
net.ipv6.conf.default.accept_ra = 0
)");
    sandbox.apply();
    CHECK(routes("10.0.0.0/8", sandbox.netns("p")).size() == 1);
    CHECK(routes("192.168.0.0/16", sandbox.netns("p")).size() == 1);
    CHECK(has_link("ipv6", sandbox.netns("q")));
}

TEST_CASE("hostile: two of our links swap their names", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config(
        "a.toml",
        "[partition.a.link.eth0]\npeer.name = \"v1\"\n[partition.b.link.eth0]\npeer.name = \"v2\"\n");
    sandbox.apply();
    sandbox.write_config(
        "a.toml",
        "[partition.a.link.eth0]\npeer.name = \"v2\"\n[partition.b.link.eth0]\npeer.name = \"v1\"\n");
    sandbox.apply();
    CHECK(link("v2").at("ifalias") == "partd:a/eth0:peer");
    CHECK(link("v1").at("ifalias") == "partd:b/eth0:peer");
}

TEST_CASE("hostile: apply of one partition takes nothing from another", "[hostile]") {
    Sandbox sandbox;
    sandbox.write_config(
        "a.toml", "[partition.a.link.eth0]\npeer = { partition = \"b\", name = \"eth0\" }\n[partition.b]\n");
    sandbox.apply();
    sandbox.write_config("a.toml", "[partition.a]\n");
    CHECK(sandbox.partctl({"apply", "a"}).code == 0);
    CHECK(netns_names() == Strings{"a", "b"});
    CHECK(links(sandbox.netns("a")).empty());
    sandbox.apply();
    CHECK(netns_names() == Strings{"a"});
}

TEST_CASE("hostile: run inside a partition, partd touches nothing", "[hostile]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto inside = run({"ip", "netns", "exec", "workshop", PARTCTL, "apply"});
    INFO(inside.text());
    CHECK(inside.code == 6);
    CHECK(inside.err.find("another network namespace") != std::string::npos);
    CHECK(has_link("veth0"));
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("hostile: a dormant table wakes, a foreign set in it is left alone", "[hostile]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    require_call(run({"nft", "add table inet partd { flags dormant; }"}).code == 0, "make the table dormant");
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(partd_table().find("dormant") == std::string::npos);
    require_call(
        run({"nft",
             "add set inet partd strangers { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }"})
                .code == 0,
        "add a set");
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("hostile: an alternative name is a name", "[hostile]") {
    Sandbox sandbox;
    ip({"link", "add", "theirs", "type", "veth", "peer", "name", "theirs1"});
    ip({"link", "property", "add", "dev", "theirs", "altname", "v1"});
    sandbox.write_config("a.toml", "[partition.p.link.eth0]\npeer.name = \"v1\"\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    CHECK(applied.out.find("conflict") != std::string::npos);
    ip({"link", "del", "theirs"});
}
