// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kLedger = "/run/partd/ledger";

void everything(const Sandbox& sandbox) {
    for (const char* name : {"blue-green", "routed-nat", "limits", "tenants"}) {
        sandbox.example(name);
    }
    sandbox.write_config("more.toml", R"(
[partition.more.link.eth0]
address = ["10.77.0.2/24"]
peer = { address = ["10.77.0.1/24"] }
[[partition.more.rule]]
from = "10.77.0.0/24"
table = 100
priority = 1000
[partition.more.sysctl]
net.ipv4.ip_default_ttl = 55
[partition.more.dns]
nameserver = ["9.9.9.9"]
)");
}

void remove_everything(const Sandbox& sandbox) {
    for (const auto& entry : fs::directory_iterator("/etc/partd")) {
        fs::remove(entry.path());
    }
    const auto applied = sandbox.partctl({"apply", "--allow-delete"});
    INFO(applied.text());
    CHECK(applied.code == 0);
}

}  // namespace

TEST_CASE("marks: every object carries its own", "[marks]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.example("workshop");
    sandbox.write_config("more.toml",
                         "[partition.more]\ncgroup.pids.max = 9\n[partition.more.nat]\nmasquerade = "
                         "true\n[[partition.more.route]]\nto = \"default\"\nvia = "
                         "\"10.77.0.1\"\n[partition.more.link.eth0]\naddress = [\"10.77.0.2/24\"]\npeer = { "
                         "address = [\"10.77.0.1/24\"] }\n");
    sandbox.apply();
    const int inside = sandbox.netns("workshop");
    const auto alias = [](const std::string& name, int netns) {
        return link(name, netns).value("ifalias", "");
    };
    CHECK(alias("veth1", inside).starts_with("partd:workshop/veth1"));
    CHECK(alias("veth0", kHere).starts_with("partd:workshop/veth1:peer"));
    CHECK(alias("lo", inside).starts_with("partd:workshop"));
    CHECK(routes("default", sandbox.netns("more")).at(0).at("protocol") == "112");
    CHECK(address_protocols("veth0") == std::map<std::string, int>{{"10.1.1.2", 112}});
    CHECK(address_protocols("veth1", inside) == std::map<std::string, int>{{"10.1.1.1", 112}});
    const auto table = output({"nft", "list", "table", "inet", "partd"});
    INFO(table);
    CHECK(table.find("comment \"partd\"") != std::string::npos);
    CHECK(table.find("more: masquerade\"") != std::string::npos);
    CHECK(table.find("flags owner") == std::string::npos);
    for (const auto& place : sandbox.cgroups().places("partd.slice/partd-more.slice")) {
        INFO(place);
        CHECK(attribute(place, "trusted.partd").has_value());
    }
    CHECK(fs::exists(kLedger));
}

TEST_CASE("ledger: lost, it is rebuilt from the marks", "[ledger]") {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    everything(sandbox);
    sandbox.apply();
    SECTION("nothing differs afterwards") {
        fs::remove_all(kLedger);
        const auto diff = sandbox.partctl({"diff"});
        INFO(diff.text());
        CHECK(diff.code == 0);
        sandbox.apply();
        CHECK(sandbox.partctl_json({"apply"}).at("writes") == 0);
    }
    SECTION("removal works right after the loss") {
        fs::remove_all(kLedger);
    }
    SECTION("removal works after a run with the rebuilt one") {
        fs::remove_all(kLedger);
        sandbox.apply();
    }
    SECTION("the whole directory") {
        fs::remove_all("/run/partd");
    }
    remove_everything(sandbox);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("ledger: damaged, it is rebuilt from the marks", "[ledger]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.example("workshop");
    sandbox.example("limits");
    sandbox.apply();
    if (!fs::is_regular_file(kLedger)) {
        FAIL("the ledger is not a file: cut its pieces here");
    }
    const auto whole = read_file(kLedger);
    REQUIRE(whole.size() > 8);
    for (const auto size : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
        INFO("cut at " << size << " of " << whole.size());
        write_file(kLedger, whole.substr(0, size));
        const auto diff = sandbox.partctl({"diff"});
        INFO(diff.text());
        CHECK(diff.code == 0);
    }
    auto garbled = whole;
    for (std::size_t at = 0; at < garbled.size(); at += 7) {
        garbled[at] = static_cast<char>(garbled[at] ^ 0x5a);
    }
    write_file(kLedger, garbled);
    CHECK(sandbox.diff() == 0);
    remove_everything(sandbox);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("ledger: after a reboot nothing stale is believed", "[ledger]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto ledger = read_file(kLedger);
    sandbox.remove_config("workshop.toml");
    sandbox.apply();
    // what it speaks of is gone, and somebody else has made a link of that name
    ip({"link", "add", "veth0", "type", "bridge"});
    fs::create_directories("/run/partd");
    write_file(kLedger, ledger);
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(has_link("veth0"));
    sandbox.example("workshop");
    CHECK(sandbox.partctl({"apply"}).code == 7);
    CHECK(link("veth0").at("linkinfo").at("info_kind") == "bridge");
}

TEST_CASE("ledger: lost with a namespace, its name goes when it is not declared any more", "[ledger]") {
    Sandbox sandbox;
    sandbox.write_config("n.toml", "[partition.n]\nnamespaces = [\"net\", \"ipc\"]\n");
    sandbox.apply();
    output({"umount", "/run/partd/ns/n/ipc"});
    fs::remove(kLedger);
    sandbox.write_config("n.toml", "[partition.n]\n");
    sandbox.apply();
    CHECK_FALSE(fs::exists("/run/partd/ns/n/ipc"));
}

TEST_CASE("ledger: lost with a partition that is not declared any more, its links' other ends go, too",
          "[ledger]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web]\n");
    sandbox.write_config("db.toml",
                         "[partition.db.link.eth0]\npeer = { partition = \"web\", name = \"p10\" }\n");
    sandbox.apply();
    fs::remove("/run/partd/ledger");
    sandbox.remove_config("db.toml");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.out.find("link db/eth0 veth — web/p10") != std::string::npos);
    CHECK(output({"ip", "-n", "web", "-br", "link"}).find("p10") == std::string::npos);
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("ledger: without the mark an object is no longer ours to remove", "[ledger][marks][foreign]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    // the administrator takes the cgroup over
    for (const auto& place : sandbox.cgroups().places("partd.slice/partd-blue.slice")) {
        REQUIRE(remove_attribute(place, "trusted.partd"));
    }
    sandbox.remove_config("blue-green.toml");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK_FALSE(sandbox.cgroups().places("partd.slice/partd-blue.slice").empty());
    CHECK(sandbox.cgroups().places("partd.slice/partd-green.slice").empty());
    CHECK(netns_names() == Strings{});
}
