// SPDX-License-Identifier: Apache-2.0
// Ports of the host that a forward and somebody else want: apply, status and doctor say so.

#include "doctor_host.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

std::string forward(const std::string& listen, const std::string& more = {}) {
    return "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\", \"fd00:1::1/64\"]\n"
           "peer = { address = [\"10.1.1.2/24\", \"fd00:1::2/64\"] }\n"
           "[[partition.web.nat.forward]]\nlisten = \"" +
           listen + "\"\n" + more + (more.find("to =") == std::string::npos ? "to = \"10.1.1.1:80\"\n" : "");
}

/// All warnings of status about web's ports, as one text; each stands at the forward.
std::string warnings(const Sandbox& sandbox) {
    const Json all = status_of(sandbox, "web").at("warnings");
    for (const Json& each : all) {
        CHECK(each.at("file") == "/etc/partd/web.toml");
        CHECK(each.at("line") == 4);
    }
    return all.dump();
}

}  // namespace

TEST_CASE("ports: a server of the host's has it", "[doctor][ports]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", forward("tcp/8080"));
    sandbox.apply();
    CHECK(warnings(sandbox) == "[]");
    CHECK(severity(sandbox, "no forwarded port is somebody else's, too") == "ok");
    const Background server(Arguments{"busybox", "nc", "-l", "-l", "-p", "8080", "-e", "true"});
    const std::string holder = "busybox (process " + std::to_string(server.pid()) + ") listens on";
    REQUIRE(eventually([&] { return warnings(sandbox).find(holder) != std::string::npos; }));
    CHECK(warnings(sandbox).find("tcp/8080 of web") != std::string::npos);
    const Outcome all = sandbox.partctl({"status"});
    CHECK(all.code == 0);
    CHECK(all.err.find(holder) != std::string::npos);
    CHECK(sandbox.partctl({"status", "web"}).out.find("warning    ") != std::string::npos);
    const Outcome applied = sandbox.partctl({"apply"});
    CHECK(applied.code == 0);
    CHECK(applied.err.find(holder) != std::string::npos);
    CHECK(sandbox.partctl_json({"apply"}).at("warnings").size() == 1);
    const Json found = finding(sandbox, "tcp/8080 of web (/etc/partd/web.toml:4): " + holder);
    CHECK(severity(found) == "warning");
    CHECK(found.value("why", "") == "its connections go to web");
}

TEST_CASE("ports: what is no other's", "[doctor][ports]") {
    Sandbox sandbox;
    sandbox.outside();
    const Server tcp(kHere, "127.0.0.1", 8080);
    const Server udp(kHere, "0.0.0.0", 8081, Transport::udp);
    const Server six(kHere, "::1", 8082);
    for (const char* text : {"tcp/8081", "tcp/8082", "udp/8080"}) {
        sandbox.write_config("web.toml", forward(text));
        INFO(text);
        sandbox.apply();
        CHECK(warnings(sandbox) == "[]");
    }
    sandbox.write_config("web.toml", forward("tcp/8080", "address = [\"203.0.113.1\"]\n"));
    sandbox.apply();
    CHECK(warnings(sandbox) == "[]");
    // And what is: at one address of several, one port of a range, by UDP, by IPv6.
    for (const auto& [listen, more] : {std::pair("tcp/8080", "address = [\"203.0.113.1\", \"127.0.0.1\"]\n"),
                                       std::pair("tcp/8000-8090", ""), std::pair("udp/8081", ""),
                                       std::pair("tcp/8082", "to = \"[fd00:1::1]:80\"\n")}) {
        sandbox.write_config("web.toml", forward(listen, more));
        INFO(listen << more);
        sandbox.apply();
        CHECK(warnings(sandbox).find("listens on") != std::string::npos);
    }
}

TEST_CASE("ports: a container has it", "[doctor][ports]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.write_config("web.toml", forward("tcp/8080"));
    sandbox.apply();
    const char* docker = R"(*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 192.0.2.7/32 ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
COMMIT
)";
    iptables(docker);
    CHECK(warnings(sandbox).find("nftables table ip nat, chain DOCKER, leads it to 172.17.0.2:80") !=
          std::string::npos);
    CHECK(sandbox.partctl({"apply"}).err.find("only one of them gets its connections") != std::string::npos);
    CHECK(severity(sandbox, "chain DOCKER, leads it to 172.17.0.2:80, too") == "warning");
    sandbox.write_config("web.toml", forward("udp/8080"));
    CHECK(warnings(sandbox) == "[]");
    sandbox.write_config("web.toml", forward("tcp/8443", "address = [\"203.0.113.1\"]\n"));
    CHECK(warnings(sandbox) == "[]");
    sandbox.write_config("web.toml", forward("tcp/8440-8450"));
    CHECK(warnings(sandbox).find("172.17.0.2:443") != std::string::npos);
}

TEST_CASE("ports: netavark has it, and a map of nftables", "[doctor][ports]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", forward("tcp/8080"));
    iptables(R"(*nat
:NETAVARK-DN-1D8721804F16F - [0:0]
:NETAVARK-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A NETAVARK-HOSTPORT-DNAT -p tcp -m tcp --dport 8080 -j NETAVARK-DN-1D8721804F16F
-A NETAVARK-DN-1D8721804F16F -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.88.0.2:80
COMMIT
)");
    CHECK(warnings(sandbox).find("chain NETAVARK-DN-1D8721804F16F, leads it to 10.88.0.2:80") !=
          std::string::npos);
    nft("flush ruleset\ntable inet kube {\n chain web {\n meta l4proto tcp dnat ip to 10.9.0.1:80\n }\n "
        "chain services {\n "
        "type nat "
        "hook prerouting priority dstnat;\n meta l4proto . th dport vmap { tcp . 8080 : jump web }\n }\n}\n");
    CHECK(warnings(sandbox).find("nftables table inet kube, chain web") != std::string::npos);
    sandbox.write_config("web.toml", forward("tcp/8081"));
    CHECK(warnings(sandbox) == "[]");
    nft("add rule inet kube services tcp dport 8000-8090 redirect to :9\n");
    CHECK(warnings(sandbox).find("chain services, leads it elsewhere") != std::string::npos);
}
