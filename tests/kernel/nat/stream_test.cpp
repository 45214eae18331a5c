// SPDX-License-Identifier: Apache-2.0
// Packets while partd works: none passes before the firewall stands, and open connections stay open.
// Rows 26 to 28 of the table in tests/faults.md.

#include "daemon_fixture.h"
#include "host_view.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// With NAT of its own; only its port 80 may be reached from outside.
constexpr const char* kShop = R"([partition.shop.link.eth0]
address = ["10.21.0.2/24"]
peer = { name = "shop0", address = ["10.21.0.1/24"] }
[[partition.shop.route]]
to = "default"
via = "10.21.0.1"
[partition.shop.nat]
masquerade = true
[[partition.shop.nat.forward]]
listen = "tcp/8001"
to = "10.21.0.2:80"
)";

/// Sends to a closed port of the partition as fast as it goes, without end.
int knock() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    ::inet_pton(AF_INET, "10.21.0.2", &to.sin_addr);
    while (true) {
        for (int i = 0; i < 20; ++i) {
            (void)::sendto(fd, "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
        }
        ::usleep(100);
    }
}

/// UDP packets that have come to the namespace, whether somebody listened or not.
long knocks(int netns) {
    std::istringstream text(output({"cat", "/proc/net/snmp"}, {.input = {}, .netns = netns}));
    std::string line;
    while (std::getline(text, line)) {
        long received = 0;
        long no_port = 0;
        if (std::sscanf(line.c_str(), "Udp: %ld %ld", &received, &no_port) == 2) {
            return received + no_port;
        }
    }
    throw std::runtime_error("/proc/net/snmp tells nothing of UDP");
}

/// Until acknowledgements that were held back have been sent: without any rule the kernel does not track, and
/// what comes meanwhile for a translated address is answered with a reset.
void be_quiet() {
    std::this_thread::sleep_for(300ms);
}

/// Bytes that iperf3 moved in each interval of its run.
std::vector<double> moved(const Json& report) {
    std::vector<double> all;
    for (const auto& interval : report.at("intervals")) {
        all.push_back(interval.at("sum").at("bytes").get<double>());
    }
    return all;
}

}  // namespace

TEST_CASE("stream: no packet comes in between a link and its firewall", "[stream][gate]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    forward_everything();
    Background knocker(knock, outside.netns.fd());
    for (int round = 0; round < 12; ++round) {
        INFO(round);
        sandbox.write_config("shop.toml", kShop);
        sandbox.apply();
        CHECK(knocks(sandbox.netns("shop")) == 0);
        sandbox.close_netns();
        if (round < 11) {
            sandbox.remove_config("shop.toml");
            REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
        }
    }
    // and they would have come in without it
    output({"nft", "delete", "table", "inet", "partd"});
    CHECK(eventually([&] { return knocks(sandbox.netns("shop")) > 0; }));
}

TEST_CASE("stream: other firewalls are loaded and flushed under it", "[stream][nat][drift]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("shop.toml", kShop);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("shop") && converged(sandbox); }));
    const auto intact = partd_table();
    const Server server(sandbox.netns("shop"), "10.21.0.2", 80);
    REQUIRE(seen_by(outside.netns.fd(), Outside::kHost4, 8001).has_value());
    const auto open = Connection::open(outside.netns.fd(), Outside::kHost4, 8001);
    REQUIRE(open);
    const std::string rules =
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    for (const char* restore : {"iptables-nft-restore", "iptables-legacy-restore", "ip6tables-nft-restore"}) {
        if (run({"sh", "-c", "command -v " + std::string(restore)}).code != 0) {
            continue;
        }
        INFO(restore);
        const auto loaded = run({restore}, {.input = rules});
        if (loaded.code != 0) {
            WARN(restore << ": " << loaded.err);  // a kernel without the old tables
            continue;
        }
        CHECK(partd_table() == intact);
        CHECK(open->alive());
    }
    output({"nft", "-f", "-"}, {.input = "table inet mine { chain c { counter; }; }"});
    be_quiet();
    output({"nft", "flush", "table", "inet", "partd"});
    CHECK(eventually([&] { return partd_table() == intact; }, 2s));
    CHECK(output({"nft", "list", "tables"}).find("table inet mine") != std::string::npos);
    CHECK(open->alive());
    be_quiet();
    output({"nft", "flush", "ruleset"});
    CHECK(eventually([&] { return partd_table() == intact; }, 2s));
    CHECK(open->alive());
    CHECK(output({"nft", "list", "tables"}).find("table inet mine") == std::string::npos);
    CHECK(seen_by(outside.netns.fd(), Outside::kHost4, 8001).has_value());
}

TEST_CASE("stream: a thousand reloads under it", "[stream][nat]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("base.toml", "[daemon]\nsettle = \"0ms\"\n");
    sandbox.write_config("shop.toml", kShop);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("shop") && converged(sandbox) && answers(sandbox); }));
    const auto inode = netns_inode("shop");
    Background server(Arguments{"iperf3", "--server", "--one-off", "--port", "80"}, sandbox.netns("shop"));
    REQUIRE(eventually([&] {
        return output({"ss", "-Hltn"}, {.input = {}, .netns = sandbox.netns("shop")}).find(":80 ") !=
               std::string::npos;
    }));
    const std::string report = sandbox.scratch() + "/report";
    Background stream(Arguments{"iperf3", "--client", Outside::kHost4, "--port", "8001", "--bitrate", "20M",
                                "--time", "60", "--interval", "0.5", "--json", "--logfile", report},
                      outside.netns.fd());
    REQUIRE(eventually([] { return !tracked(8001).empty(); }));
    const auto counted = [] { return counted_packets(output({"nft", "list", "table", "inet", "partd"})); };
    const long before = counted();
    std::string others;
    for (int i = 1; i <= 1000; ++i) {
        // each a reload that changes something, of a neighbour and of the partition itself in turn
        if (i % 50 == 0) {
            sandbox.write_config("p1.toml", i % 100 == 0 ? "# none\n" : numbered_partition(1));
            sandbox.write_config("shop.toml", std::string(kShop) +
                                                  "[partition.shop.sysctl]\nnet.ipv4.ip_default_ttl = " +
                                                  std::to_string(60 + i / 50) + "\n");
        }
        daemon.signal(SIGHUP);
        std::this_thread::sleep_for(2ms);
    }
    CHECK(converged(sandbox));
    CHECK(counted() >= before);
    stream.signal(SIGINT);
    REQUIRE(stream.wait() != -1);
    const auto bytes = moved(Json::parse(read_file(report)));
    INFO(daemon.log());
    REQUIRE(bytes.size() >= 3);
    for (const double each : bytes) {
        CHECK(each > 0);
    }
    CHECK(netns_inode("shop") == inode);
    CHECK(daemon.running());
}
