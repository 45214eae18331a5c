// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <unistd.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

void check_repair(const Sandbox& sandbox, const std::string& kind) {
    const auto plan = sandbox.partctl_json({"diff"});
    INFO("diff after the change: " << plan_text(plan));
    CHECK(sandbox.diff() == 1);
    CHECK(lists(plan, "changes", kind));
    sandbox.apply();
}

}  // namespace

TEST_CASE("drift: a route removed", "[drift][route]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.apply();
    const int inside = sandbox.netns("test_net");
    SECTION("by hand") {
        ip({"route", "del", "default"}, inside);
        check_repair(sandbox, "route");
    }
    SECTION("with the link set down") {
        ip({"link", "set", "eth0", "down"}, inside);
        check_repair(sandbox, "link");
    }
    SECTION("pointed elsewhere, under our mark") {
        ip({"route", "replace", "default", "via", "172.16.99.77", "proto", "112"}, inside);
        check_repair(sandbox, "route");
    }
    CHECK(routes("default", inside).at(0).at("gateway") == "172.16.99.1");
    CHECK(pings(inside, Outside::kPeer4));
}

TEST_CASE("drift: a route that somebody replaced by another one", "[drift][route]") {
    Sandbox sandbox;
    sandbox.example("routed-nat");
    sandbox.apply();
    const int inside = sandbox.netns("test_net");
    ip({"route", "replace", "default", "via", "172.16.99.77", "proto", "static"}, inside);
    check_repair(sandbox, "route");
    CHECK(routes("default", inside).at(0).at("gateway") == "172.16.99.1");
    CHECK(routes("default", inside).at(0).at("protocol") == "112");
}

TEST_CASE("drift: the same again by hand", "[drift][route][rule][address]") {
    Sandbox sandbox;
    const std::string link =
        "[partition.h.link.eth0]\naddress = [\"10.5.0.2/24\", \"fd00:5::2/64\"]\n"
        "peer = { name = \"h0\", address = [\"10.5.0.1/24\"] }\n";
    const std::string all = link +
                            "[[partition.h.route]]\nto = \"10.6.0.0/16\"\nvia = \"10.5.0.1\"\n"
                            "[[partition.h.route]]\nto = \"fd06::/64\"\nvia = \"fd00:5::1\"\n"
                            "[[partition.h.rule]]\nfrom = \"10.5.0.0/24\"\ntable = 100\npriority = 1000\n"
                            "[[partition.h.rule]]\nto = \"::/0\"\ntable = 100\npriority = 1001\n";
    sandbox.write_config("h.toml", all);
    sandbox.apply();
    const int inside = sandbox.netns("h");
    SECTION("a route") {
        ip({"route", "del", "10.6.0.0/16"}, inside);
        ip({"route", "add", "10.6.0.0/16", "via", "10.5.0.1"}, inside);
        check_repair(sandbox, "route");
    }
    SECTION("a route before ours") {
        ip({"route", "prepend", "10.6.0.0/16", "via", "10.5.0.7"}, inside);
        check_repair(sandbox, "route");
        CHECK(routes("10.6.0.0/16", inside).size() == 1);
    }
    SECTION("a route behind ours") {
        ip({"route", "append", "10.6.0.0/16", "via", "10.5.0.7"}, inside);
        CHECK(sandbox.diff() == 0);
        ip({"route", "del", "10.6.0.0/16", "via", "10.5.0.7"}, inside);
    }
    SECTION("a route of IPv6") {
        ip({"-6", "route", "replace", "fd06::/64", "via", "fd00:5::7"}, inside);
        check_repair(sandbox, "route");
        CHECK(routes("fd06::/64", inside, "main", "-6").at(0).at("gateway") == "fd00:5::1");
    }
    SECTION("a rule") {
        ip({"rule", "del", "priority", "1000"}, inside);
        ip({"rule", "add", "from", "10.5.0.0/24", "table", "100", "priority", "1000"}, inside);
        check_repair(sandbox, "rule");
    }
    SECTION("a rule for all of a family") {
        ip({"-6", "rule", "del", "priority", "1001"}, inside);
        ip({"-6", "rule", "add", "table", "100", "priority", "1001", "protocol", "static"}, inside);
        check_repair(sandbox, "rule");
    }
    SECTION("addresses") {
        for (const char* address : {"10.5.0.2/24", "fd00:5::2/64"}) {
            ip({"addr", "del", address, "dev", "eth0"}, inside);
            ip({"addr", "add", address, "dev", "eth0"}, inside);
        }
        check_repair(sandbox, "address");
    }
    for (const auto& [address, protocol] : address_protocols("eth0", inside)) {
        INFO(address);
        CHECK((protocol == 112 || address.starts_with("fe80")));
    }
    CHECK(routes("10.6.0.0/16", inside).at(0).at("protocol") == "112");
    CHECK(routes("fd06::/64", inside, "main", "-6").at(0).at("protocol") == "112");
    REQUIRE(rules(1000, inside).size() == 1);
    CHECK(rules(1000, inside).at(0).at("protocol") == "112");
    REQUIRE(rules(1001, inside, "-6").size() == 1);
    CHECK(rules(1001, inside, "-6").at(0).at("protocol") == "112");
    // and it goes with the file, as ours does
    sandbox.write_config("h.toml", "[partition.h.link.eth0]\npeer = { name = \"h0\" }\n");
    sandbox.apply();
    CHECK(addresses("eth0", inside).empty());
    CHECK(rules(1000, inside).empty());
    CHECK(rules(1001, inside, "-6").empty());
    CHECK(routes("10.6.0.0/16", inside).empty());
}

TEST_CASE("drift: what the kernel makes itself may be declared, and stays when it is not any more",
          "[drift][route][address]") {
    Sandbox sandbox;
    const std::string link =
        "[partition.h.link.eth0]\naddress = [\"10.5.0.2/24\"]\n"
        "peer = { name = \"h0\", address = [\"10.5.0.1/24\"] }\n";
    const std::string more =
        "[partition.h.link.lo]\naddress = [\"127.0.0.1/8\", \"::1/128\"]\n"
        "[[partition.h.route]]\nto = \"10.5.0.0/24\"\ndev = \"eth0\"\n";
    sandbox.write_config("h.toml", link);
    sandbox.apply();
    const int inside = sandbox.netns("h");
    const auto standing = output({"ip", "addr", "show", "dev", "lo"}, {.input = {}, .netns = inside}) +
                          routes("10.5.0.0/24", inside).dump();
    const auto now = [&] {
        return output({"ip", "addr", "show", "dev", "lo"}, {.input = {}, .netns = inside}) +
               routes("10.5.0.0/24", inside).dump();
    };
    sandbox.write_config("h.toml", link + more);
    sandbox.apply();
    CHECK(now() == standing);
    ip({"addr", "del", "127.0.0.1/8", "dev", "lo"}, inside);
    ip({"route", "del", "10.5.0.0/24"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(pings(inside, "127.0.0.1"));
    CHECK(pings(inside, "10.5.0.1"));
    sandbox.write_config("h.toml", link);
    sandbox.apply();
    CHECK(pings(inside, "127.0.0.1"));
}

TEST_CASE("drift: the firewall of others and ours", "[drift][nftables]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.apply();
    const int inside = sandbox.netns("test_net");
    const auto intact = partd_table();
    const Server server(inside, "172.16.99.100", 80);
    SECTION("nft flush ruleset") {
        output({"nft", "flush", "ruleset"});
        check_repair(sandbox, "nftables");
    }
    SECTION("the table deleted") {
        output({"nft", "delete", "table", "inet", "partd"});
        check_repair(sandbox, "nftables");
    }
    SECTION("all rules flushed, the chains left") {
        output({"nft", "flush", "table", "inet", "partd"});
        check_repair(sandbox, "nftables");
    }
    SECTION("a foreign rule in our table") {
        const auto chain = intact.substr(intact.find("\tchain ") + 7);
        output({"nft", "insert", "rule", "inet", "partd", chain.substr(0, chain.find(' ')), "accept"});
        CHECK(sandbox.diff() != 0);
        sandbox.partctl({"apply"});
        CHECK(sandbox.diff() == 0);
    }
    CHECK(partd_table() == intact);
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 8080) == Outside::kPeer4);
    CHECK(pings(inside, Outside::kPeer4));
}

TEST_CASE("drift: one element of a set gone", "[drift][nftables][nat]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.example("tenants");
    sandbox.apply();
    const auto intact = partd_table();
    // each set and map emptied, one after the other
    int emptied = 0;
    for (std::size_t at = 0; (at = intact.find("\n\t", at)) != std::string::npos; ++at) {
        const auto line = intact.substr(at + 2, intact.find('\n', at + 2) - at - 2);
        const bool set = line.starts_with("set ");
        if (!set && !line.starts_with("map ")) {
            continue;
        }
        const auto name = line.substr(4, line.find(" {") - 4);
        INFO(line);
        output({"nft", "flush", set ? "set" : "map", "inet", "partd", name});
        if (partd_table() != intact) {
            ++emptied;
            CHECK(sandbox.diff() == 1);
            sandbox.apply();
            CHECK(partd_table() == intact);
        }
    }
    CHECK(emptied >= 2);
}

TEST_CASE("drift: a cgroup removed, a limit changed", "[drift][cgroup]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    auto& cgroups = sandbox.cgroups();
    constexpr const char* kBlue = "partd.slice/partd-blue.slice";
    SECTION("removed everywhere") {
        for (const auto& place : cgroups.places(kBlue)) {
            REQUIRE(::rmdir(place.c_str()) == 0);
        }
        check_repair(sandbox, "cgroup");
    }
    SECTION("removed from one hierarchy") {
        REQUIRE(::rmdir((cgroups.of("memory")->mount_point + "/" + kBlue).c_str()) == 0);
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
    }
    SECTION("memory.max changed") {
        cgroups.set_limit(kBlue, "memory.max", 512 << 20);
        check_repair(sandbox, "limit");
    }
    SECTION("pids.max changed") {
        cgroups.set_limit(kBlue, "pids.max", 7);
        check_repair(sandbox, "limit");
    }
    CHECK(cgroups.limit(kBlue, "memory.max") == 256 << 20);
    CHECK(cgroups.limit(kBlue, "pids.max") == 128);
    CHECK(cgroups.processor_percent(kBlue) == Approx(50));
}

TEST_CASE("drift: a limit that is not declared is not ours", "[drift][cgroup][foreign]") {
    Sandbox sandbox;
    // on cgroup v2 a slice has the files of a controller only where one of them is limited by it
    sandbox.write_config("s.toml", "[slice.s]\nmemory.max = \"64M\"\n[slice.other]\npids.max = 5\n");
    sandbox.apply();
    const auto* pids = sandbox.cgroups().of("pids");
    if (pids == nullptr || sandbox.cgroups().places("partd.slice/partd-s.slice").empty()) {
        PARTD_CANNOT_RUN("no hierarchy has the pids controller");
    }
    // where the controller has a hierarchy of its own, the administrator makes the directory
    const auto place = pids->mount_point + "/partd.slice/partd-s.slice";
    std::filesystem::create_directories(place);
    write_file(place + "/pids.max", "77");
    CHECK(sandbox.diff() == 0);
    sandbox.apply();
    CHECK(read_file(place + "/pids.max") == "77\n");
}

TEST_CASE("drift: a sysctl changed", "[drift][sysctl]") {
    Sandbox sandbox;
    sandbox.write_config(
        "s.toml",
        "[partition.s]\n[partition.s.sysctl]\nnet.ipv4.ip_forward = 1\nnet.ipv4.ip_default_ttl = 99\n");
    sandbox.apply();
    const int inside = sandbox.netns("s");
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "99");
    set_sysctl("net.ipv4.ip_default_ttl", "64", inside);
    check_repair(sandbox, "sysctl");
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "99");
    CHECK(sysctl("net.ipv4.ip_forward", inside) == "1");
}

TEST_CASE("drift: the host's forwarding switched off", "[drift][sysctl][nat]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.example("routed-nat");
    sandbox.apply();
    set_sysctl("net.ipv4.ip_forward", "0");
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(sysctl("net.ipv4.ip_forward") == "1");
    CHECK(pings(sandbox.netns("test_net"), Outside::kPeer4));
}

TEST_CASE("drift: a rule removed", "[drift][rule]") {
    Sandbox sandbox;
    sandbox.write_config("r.toml", R"(
[partition.r.link.eth0]
address = ["10.3.0.2/24"]
peer = { address = ["10.3.0.1/24"] }
[[partition.r.rule]]
from = "10.3.0.0/24"
table = 100
priority = 1000
)");
    sandbox.apply();
    const int inside = sandbox.netns("r");
    REQUIRE(rules(1000, inside).size() == 1);
    ip({"rule", "del", "priority", "1000"}, inside);
    check_repair(sandbox, "rule");
    CHECK(rules(1000, inside).size() == 1);
}

TEST_CASE("drift: a DNS file edited or deleted", "[drift][dns]") {
    Sandbox sandbox;
    sandbox.write_config("d.toml",
                         "[partition.d.dns]\nnameserver = [\"9.9.9.9\"]\nhosts = { db = [\"10.0.0.5\"] }\n");
    sandbox.apply();
    const auto resolv = read_file("/etc/netns/d/resolv.conf");
    const auto hosts = read_file("/etc/netns/d/hosts");
    SECTION("edited") {
        write_file("/etc/netns/d/resolv.conf", resolv + "nameserver 1.1.1.1\n");
    }
    SECTION("deleted") {
        ::unlink("/etc/netns/d/hosts");
    }
    check_repair(sandbox, "file");
    CHECK(read_file("/etc/netns/d/resolv.conf") == resolv);
    CHECK(read_file("/etc/netns/d/hosts") == hosts);
}

TEST_CASE("drift: a DNS file deleted, and its table with it", "[drift][dns]") {
    Sandbox sandbox;
    sandbox.write_config("d.toml", "[partition.d.dns]\nnameserver = [\"9.9.9.9\"]\n");
    sandbox.apply();
    SECTION("and nothing else is there") {
        std::filesystem::remove("/etc/netns/d/resolv.conf");
        sandbox.write_config("d.toml", "[partition.d]\n");
        sandbox.apply();
        CHECK_FALSE(std::filesystem::exists("/etc/netns/d"));
    }
    SECTION("and a file of somebody else is there") {
        std::filesystem::rename("/etc/netns/d/resolv.conf", "/etc/netns/d/theirs.conf");
        sandbox.write_config("d.toml", "[partition.d]\n");
        sandbox.apply();
        CHECK(std::filesystem::exists("/etc/netns/d/theirs.conf"));
    }
}
