// SPDX-License-Identifier: Apache-2.0
#include "doctor_host.h"

#include <unistd.h>

#include <catch2/catch.hpp>

namespace partd::test {

namespace {

constexpr std::uint16_t kOutside = 90;
constexpr std::uint16_t kUnpublished = 81;
constexpr std::uint16_t kHostPort = 2222;

}  // namespace

Json finding(const Sandbox& sandbox, const std::string& words) {
    const Json all = sandbox.partctl_json({"doctor"});
    for (const Json& each : all.at("findings")) {
        if (each.at("what").get<std::string>().find(words) != std::string::npos) {
            return each;
        }
    }
    return {};
}

std::string severity(const Json& found) {
    return found.is_null() ? "none" : found.at("severity").get<std::string>();
}

std::string severity(const Sandbox& sandbox, const std::string& words) {
    return severity(finding(sandbox, words));
}

void carry_out(const Json& found) {
    REQUIRE_FALSE(found.is_null());
    const std::string commands = found.at("run").get<std::string>();
    INFO(commands);
    REQUIRE_FALSE(commands.empty());
    for (int time = 0; time < 2; ++time) {
        const Outcome done = run({"sh", "-c", commands}, {.input = {}, .timeout = 90s});
        INFO(done.text());
        REQUIRE(done.code == 0);
    }
}

void take_back(const Json& found) {
    const std::string commands = found.at("undo").get<std::string>();
    INFO(commands);
    REQUIRE_FALSE(commands.empty());
    const Outcome done = run({"sh", "-c", commands}, {.input = {}, .timeout = 90s});
    INFO(done.text());
    REQUIRE(done.code == 0);
}

void nft(const std::string& rules) {
    const Outcome done = run({"nft", "-f", "-"}, {.input = rules});
    INFO(done.text());
    REQUIRE(done.code == 0);
}

void iptables(const std::string& rules, bool v6) {
    const Outcome done =
        run({v6 ? "ip6tables-nft-restore" : "iptables-nft-restore", "--noflush"}, {.input = rules});
    INFO(done.text());
    REQUIRE(done.code == 0);
}

std::string DoctorHost::partition(const std::string& name, int number, const std::string& more) {
    const std::string net = "10.1." + std::to_string(number) + ".";
    const std::string net6 = "fd00:" + std::to_string(number) + "::";
    return "[partition." + name + ".link.eth0]\naddress = [\"" + net + "1/24\", \"" + net6 +
           "1/64\"]\npeer = { address = [\"" + net + "2/24\", \"" + net6 + "2/64\"] }\n" + "[[partition." +
           name + ".route]]\nto = \"default\"\nvia = \"" + net + "2\"\n" + "[[partition." + name +
           ".route]]\nto = \"default\"\nvia = \"" + net6 + "2\"\n" + "[partition." + name +
           ".nat]\nmasquerade = true\n" + more;
}

DoctorHost::DoctorHost(bool forwards) : container_(std::make_unique<Netns>()) {
    const int outside = sandbox.outside().netns.fd();
    ip({"route", "replace", "default", "via", Outside::kPeer4});
    ip({"-6", "route", "replace", "default", "via", Outside::kPeer6});
    sandbox.write_config("web.toml", partition("web", 1,
                                               "[[partition.web.nat.forward]]\nlisten = \"tcp/8080\"\n"
                                               "to = \"10.1.1.1:80\"\n"));
    ip({"link", "add", "docker0", "type", "bridge"});
    ip({"link", "add", "veth7", "type", "veth", "peer", "name", "c0"});
    ip({"link", "set", "c0", "netns",
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(container_->fd())});
    ip({"link", "set", "veth7", "master", "docker0", "up"});
    ip({"address", "add", "172.17.0.1/16", "dev", "docker0"});
    ip({"link", "set", "docker0", "up"});
    ip({"address", "add", "172.17.0.2/16", "dev", "c0"}, container_->fd());
    ip({"link", "set", "c0", "up"}, container_->fd());
    ip({"route", "add", "default", "via", "172.17.0.1"}, container_->fd());
    set_sysctl("net.ipv4.ip_forward", forwards ? "1" : "0");
    sandbox.apply();
    servers_.push_back(std::make_unique<Server>(outside, Outside::kPeer4, kOutside));
    servers_.push_back(std::make_unique<Server>(outside, Outside::kPeer6, kOutside));
    servers_.push_back(std::make_unique<Server>(container_->fd(), kContainer, kUnpublished));
    servers_.push_back(std::make_unique<Server>(kHere, "0.0.0.0", kHostPort));
    servers_.push_back(std::make_unique<Server>(sandbox.netns("web"), "10.1.1.1", 80));
}

bool DoctorHost::flows() {
    return seen_soon(sandbox.netns("web"), Outside::kPeer4, kOutside).has_value() &&
           seen_soon(sandbox.outside().netns.fd(), Outside::kHost4, 8080).has_value();
}

bool DoctorHost::flows6() {
    return seen_soon(sandbox.netns("web"), Outside::kPeer6, kOutside).has_value();
}

std::string DoctorHost::open() {
    std::string all;
    const int web = sandbox.netns("web");
    const auto probe = [&](int from, const std::string& address, std::uint16_t port, const char* word) {
        all += out_of_reach(from, address, port) ? "" : word;
    };
    probe(web, kContainer, kUnpublished, "container-from-web ");
    probe(sandbox.outside().netns.fd(), kContainer, kUnpublished, "container-from-neighbour ");
    probe(web, "10.1.1.2", kHostPort, "host-from-web ");
    return all;
}

}  // namespace partd::test
