// SPDX-License-Identifier: Apache-2.0
// Firewalls of other programs, as those make them: doctor names what they drop, its commands fix that as
// they are printed, and what was closed stays closed.

#include "doctor_host.h"
#include "members.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

/// Docker's rules for its bridge, without a port that is published, as versions to 27 make them.
std::string docker_before_28(const std::string& policy) {
    return "*filter\n:FORWARD " + policy + R"( [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
)";
}

/// Docker's rules for its bridge, without a published port, as version 28 makes them.
constexpr const char* kDocker28 = R"(*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
)";

constexpr const char* kDrops = "drops forwarded packets: ";

/// Another partition that Docker's or iptables' chain does not let pass yet.
void a_second_partition(DoctorHost& host, const std::string& words) {
    host.sandbox.write_config("db.toml", DoctorHost::partition("db", 2));
    host.sandbox.apply();
    const Json more = finding(host.sandbox, words);
    CHECK(more.value("why", "").find("db (/etc/partd/db.toml:1)") != std::string::npos);
    CHECK(more.value("why", "").find("web") == std::string::npos);
    carry_out(more);
    CHECK(severity(host.sandbox, words) == "none");
    CHECK(host.flows());
    CHECK(seen_soon(host.sandbox.netns("db"), Outside::kPeer4, 90).has_value());
}

/// Carries out the fix of a finding, takes it back, which brings the finding back, and carries it out again:
/// afterwards the finding is gone, packets flow, and nothing else is open.
void fix(DoctorHost& host, const std::string& words) {
    const std::string before = host.open();
    const Json found = finding(host.sandbox, words);
    INFO(found.dump());
    CHECK(severity(found) == "problem");
    CHECK(found.value("why", "").find("web (/etc/partd/web.toml:1)") != std::string::npos);
    CHECK(found.value("run", "").find("pv-web") != std::string::npos);
    CHECK(host.sandbox.partctl({"doctor"}).code == 1);
    carry_out(found);
    CHECK(severity(host.sandbox, words) == "none");
    take_back(found);
    CHECK(severity(host.sandbox, words) == "problem");
    carry_out(found);
    CHECK(severity(host.sandbox, words) == "none");
    CHECK(host.flows());
    const std::string after = host.open();
    INFO("open before: " << before << "; after: " << after);
    for (const char* each : {"container-from-web", "container-from-neighbour", "host-from-web"}) {
        const bool was_open = before.find(each) != std::string::npos;
        CHECK((was_open || after.find(each) == std::string::npos));
    }
}

}  // namespace

TEST_CASE("firewalls of others: apply and status tell whom they cut off", "[doctor][firewall][status]") {
    DoctorHost host;
    const Sandbox& sandbox = host.sandbox;
    sandbox.write_config("alone.toml", "[partition.alone.link.eth0]\naddress = [\"10.1.9.2/24\"]\n");
    sandbox.apply();
    const auto warned = [&](const std::string& partition) {
        const Json all = sandbox.partctl_json({"status", partition});
        std::string text;
        for (const Json& each : all.at("partitions").at(0).at("warnings")) {
            text += each.at("file").get<std::string>() + ":" + each.at("line").dump() + ":" +
                    each.at("column").dump() + ": " + each.at("message").get<std::string>() + "\n";
        }
        return text;
    };
    CHECK(warned("web").find(kDrops) == std::string::npos);
    const std::string sentence =
        "/etc/partd/web.toml:1:1: nftables table ip filter, chain FORWARD (iptables), drops forwarded "
        "packets: "
        "connections of web by pv-web and uplink: partctl doctor has the commands that let them pass\n";
    iptables("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
    CHECK(warned("web") == sentence);
    CHECK(warned("alone") == "");
    CHECK(sandbox.partctl({"status", "web"}).out.find("warning    " + sentence) != std::string::npos);
    CHECK(sandbox.partctl({"status"}).err.find(kDrops) == std::string::npos);
    sandbox.write_config("db.toml", DoctorHost::partition("db", 2));
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    const auto first = applied.err.find(kDrops);
    REQUIRE(first != std::string::npos);
    CHECK(applied.err.find(kDrops, first + 1) == std::string::npos);
    CHECK(applied.err.find("(and those of 1 more)") != std::string::npos);
    CHECK(sandbox.partctl({"apply", "alone"}).err.find(kDrops) == std::string::npos);
    const Json found = finding(sandbox, kDrops);
    carry_out(found);
    CHECK(warned("web") == "");
    iptables("*filter\n:FORWARD ACCEPT [0:0]\n-F\nCOMMIT\n");
    nft("table inet other {\nchain forward {\ntype filter hook forward priority 0; policy drop;\n}\n}\n");
    CHECK(warned("db").find("nftables table inet other, chain forward, drops forwarded packets: "
                            "connections of db by pv-db and uplink") != std::string::npos);
}

TEST_CASE("doctor: Docker's policy drop, to version 27", "[doctor][firewall]") {
    DoctorHost host;
    REQUIRE(host.flows());
    CHECK(severity(host.sandbox, kDrops) == "none");
    iptables(docker_before_28("DROP"));
    CHECK(host.open() == "host-from-web ");
    CHECK_FALSE(seen_by(host.sandbox.netns("web"), Outside::kPeer4, 90).has_value());
    fix(host, kDrops);
    // Docker keeps DOCKER-USER when it starts again.
    iptables(docker_before_28("DROP").replace(docker_before_28("DROP").find(":DOCKER-USER"), 20, ""));
    CHECK(host.flows());
    a_second_partition(host, kDrops);
    CHECK(host.open() == "host-from-web ");
}

TEST_CASE("doctor: Docker's policy drop, version 28", "[doctor][firewall]") {
    DoctorHost host;
    iptables(kDocker28);
    CHECK(host.open() == "host-from-web ");
    fix(host, kDrops);
    CHECK(output({"iptables-nft-save", "-t", "filter"}).find("-A DOCKER-USER -j PARTD") != std::string::npos);
}

TEST_CASE("doctor: Docker found forwarding on, which partd had turned on", "[doctor][firewall]") {
    DoctorHost host;
    iptables(docker_before_28("ACCEPT"));
    const Json found = finding(host.sandbox, "Docker left the policy of the chain FORWARD");
    CHECK(severity(found) == "warning");
    carry_out(found);
    CHECK(severity(host.sandbox, "Docker left the policy") == "none");
    CHECK(severity(host.sandbox, kDrops) == "none");
    CHECK(host.flows());
    CHECK(host.open() == "host-from-web ");
}

TEST_CASE("doctor: Docker found forwarding on, which was on before partd", "[doctor][firewall]") {
    DoctorHost host(true);
    iptables(docker_before_28("ACCEPT"));
    CHECK(severity(host.sandbox, "Docker left the policy of the chain FORWARD") == "none");
}

TEST_CASE("doctor: a policy drop of iptables, IPv4 and IPv6", "[doctor][firewall]") {
    DoctorHost host;
    REQUIRE(host.flows6());
    iptables("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
    fix(host, "table ip filter, chain FORWARD");
    a_second_partition(host, "table ip filter, chain FORWARD");
    iptables("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", true);
    CHECK_FALSE(seen_by(host.sandbox.netns("web"), Outside::kPeer6, 90).has_value());
    fix(host, "table ip6 filter, chain FORWARD");
    CHECK(host.flows6());
    // Rules that an administrator wrote count as well.
    iptables(
        "*filter\n:FORWARD DROP [0:0]\n-F FORWARD\n-A FORWARD -m conntrack --ctstate "
        "RELATED,ESTABLISHED,DNAT -j "
        "ACCEPT\n-A FORWARD -i pv-+ -j ACCEPT\nCOMMIT\n");
    CHECK(severity(host.sandbox, "table ip filter") == "none");
    CHECK(host.flows());
}

TEST_CASE("doctor: a policy drop in the way of admit, and of reach to a prefix",
          "[doctor][firewall][policy]") {
    DoctorHost host;
    const Sandbox& sandbox = host.sandbox;
    sandbox.remove_config("web.toml");
    sandbox.write_config("srv.toml", member("srv", "5",
                                            "admit = [{ from = \"203.0.113.0/24\", match = \"tcp/80\" }]\n"
                                            "reach = [{ to = \"203.0.113.0/24\", match = \"tcp/90\" }]\n"));
    sandbox.apply();
    const int srv = host.sandbox.netns("srv");
    const int out = host.sandbox.outside().netns.fd();
    const Server at(srv, "10.5.1.1", 80);
    const Server hidden(srv, "10.5.1.1", 81);
    const auto flows = [&] {
        return seen_by(out, "10.5.1.1", 80).has_value() && seen_by(srv, Outside::kPeer4, 90).has_value();
    };
    REQUIRE(flows());
    CHECK(severity(sandbox, kDrops) == "none");
    const bool by_nft = GENERATE(false, true);
    if (by_nft) {
        nft("table inet other {\nchain forward {\ntype filter hook forward priority 0; policy drop;\n}\n}\n");
    } else {
        iptables("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
    }
    CHECK_FALSE(flows());
    const Json found = finding(sandbox, kDrops);
    INFO(found.dump());
    CHECK(found.value("run", "").find("203.0.113.0/24") != std::string::npos);
    carry_out(found);
    CHECK(flows());
    CHECK(severity(sandbox, kDrops) == "none");
    CHECK(out_of_reach(out, "10.5.1.1", 81));
}

TEST_CASE("doctor: ufw", "[doctor][firewall]") {
    DoctorHost host;
    const Outcome on = run({"ufw", "--force", "enable"}, {.input = {}, .timeout = 60s});
    INFO(on.text());
    REQUIRE(on.code == 0);
    CHECK(host.open().empty());
    const Json found = finding(host.sandbox, kDrops);
    CHECK(found.value("run", "").find("ufw route allow in on pv-web out on uplink") != std::string::npos);
    fix(host, "table ip filter, chain FORWARD (ufw)");
    CHECK(severity(host.sandbox, kDrops) == "none");  // ufw takes both families at once
    CHECK(host.flows6());
    CHECK(host.open().empty());
    REQUIRE(run({"ufw", "reload"}, {.input = {}, .timeout = 60s}).code == 0);
    CHECK(host.flows());
    CHECK(severity(host.sandbox, kDrops) == "none");
    // A partition that opens nothing through the host is none of ufw's matters.
    host.sandbox.write_config("quiet.toml", "[partition.quiet.link.eth0]\naddress = [\"10.1.9.1/24\"]\n");
    host.sandbox.apply();
    CHECK(severity(host.sandbox, kDrops) == "none");
}

TEST_CASE("doctor: firewalld", "[doctor][firewall]") {
    DoctorHost host;
    fs::create_directories("/run/dbus");
    Background bus(Arguments{"dbus-daemon", "--system", "--nofork", "--nopidfile"});
    Background firewalld(Arguments{"firewalld", "--nofork", "--nopid", "--log-target", "console"});
    REQUIRE(eventually([] { return run({"firewall-cmd", "--state"}).code == 0; }, 30s));
    const std::string words = "table inet firewalld, chain filter_FORWARD";
    CHECK_FALSE(seen_by(host.sandbox.netns("web"), Outside::kPeer4, 90).has_value());
    fix(host, words);
    CHECK(host.flows6());
    CHECK(host.open().empty());
    REQUIRE(run({"firewall-cmd", "--complete-reload"}, {.input = {}, .timeout = 60s}).code == 0);
    CHECK(host.flows());
    // One that may reach another.
    host.sandbox.write_config(
        "db.toml", "[partition.db]\nreach = [\"web\"]\n" + DoctorHost::partition("db", 2).substr(0));
    host.sandbox.apply();
    const Json more = finding(host.sandbox, words);
    CHECK(more.value("why", "").find("db (/etc/partd/db.toml:1)") != std::string::npos);
    carry_out(more);
    CHECK(severity(host.sandbox, words) == "none");
    CHECK(seen_soon(host.sandbox.netns("db"), "10.1.1.1", 80).has_value());
    CHECK(host.flows());
    CHECK(out_of_reach(host.sandbox.netns("db"), "10.1.2.2", 2222));
}

TEST_CASE("doctor: Debian's nftables.service", "[doctor][firewall]") {
    DoctorHost host;
    write_file("/etc/nftables.conf", R"(#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname "lo" accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
	}
	chain output {
		type filter hook output priority filter;
	}
}
)");
    REQUIRE(run({"nft", "-f", "/etc/nftables.conf"}).code == 0);
    host.sandbox.apply();
    fix(host, "table inet filter, chain forward");
    CHECK(host.flows6());
    const std::string rules = output({"nft", "list", "table", "inet", "filter"});
    REQUIRE(run({"nft", "-f", "/etc/nftables.conf"}).code == 0);
    host.sandbox.apply();
    CHECK(output({"nft", "list", "table", "inet", "filter"}) == rules);
    CHECK(host.flows());
    CHECK(host.open().empty());
    CHECK(severity(host.sandbox, kDrops) == "none");
    a_second_partition(host, kDrops);
}

TEST_CASE("doctor: rules that cannot be judged are a warning", "[doctor][firewall]") {
    DoctorHost host;
    nft("table inet mine {\n chain forward {\n type filter hook forward priority 0; policy drop;\n"
        " meta mark 7 accept\n ct state established accept\n ct status dnat accept\n }\n}\n");
    const Json found = finding(host.sandbox, "table inet mine, chain forward");
    CHECK(severity(found) == "warning");
    CHECK(found.value("why", "").find("cannot judge") != std::string::npos);
}

TEST_CASE("doctor: a link whose name no rule can say", "[doctor][firewall]") {
    DoctorHost host;
    host.sandbox.write_config("db.toml",
                              "[partition.db.link.eth0]\naddress = [\"10.1.2.1/24\"]\npeer = { name = "
                              "\"wild+\", address = [\"10.1.2.2/24\"] }\n[partition.db.nat]\n"
                              "masquerade = true\n");
    host.sandbox.apply();
    iptables("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
    const Json found = finding(host.sandbox, kDrops);
    CHECK(found.value("run", "").find("wild+") == std::string::npos);
    CHECK(found.value("fix", "").find("no rule can name wild+") != std::string::npos);
    CHECK(found.value("run", "").find("pv-web") != std::string::npos);
}

TEST_CASE("doctor: iptables-legacy, whose rules are not read", "[doctor][firewall]") {
    DoctorHost host;
    CHECK(severity(host.sandbox, "iptables-legacy has a filter table") == "none");
    const Outcome drop = run({"iptables-legacy", "-P", "FORWARD", "DROP"});
    if (drop.code != 0) {
        PARTD_CANNOT_RUN("the kernel has no iptables of its own: " + drop.err);
    }
    CHECK_FALSE(seen_by(host.sandbox.netns("web"), Outside::kPeer4, 90).has_value());
    const Json found = finding(host.sandbox, "iptables-legacy has a filter table");
    CHECK(severity(found) == "note");
    carry_out(found);
    CHECK(host.flows());
    CHECK(host.open() == "host-from-web ");
}
