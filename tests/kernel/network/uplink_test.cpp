// SPDX-License-Identifier: Apache-2.0
// The host's own IPv6 while partd makes it a router: links of others learn addresses and routes from
// advertisements as they did before, whenever they come.
#include "daemon_fixture.h"
#include "host_view.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr const char* kRouted6 = R"([partition.six.link.eth0]
address = ["fd00:99::100/64"]
peer = { name = "six0", address = ["fd00:99::1/64"] }
[partition.six.nat]
masquerade = true
)";

sockaddr_in6 group(const char* address, const std::string& link) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_scope_id = ::if_nametoindex(link.c_str());
    ::inet_pton(AF_INET6, address, &to.sin6_addr);
    return to;
}

/// Half an hour as a default router, with 2001:db8:77::/64 for addresses.
void advertise(int socket, const std::string& link) {
    struct {
        nd_router_advert head{};
        nd_opt_prefix_info prefix{};
    } message;
    message.head.nd_ra_type = ND_ROUTER_ADVERT;
    message.head.nd_ra_curhoplimit = 64;
    message.head.nd_ra_router_lifetime = htons(1800);
    message.prefix.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION;
    message.prefix.nd_opt_pi_len = 4;
    message.prefix.nd_opt_pi_prefix_len = 64;
    message.prefix.nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
    message.prefix.nd_opt_pi_valid_time = htonl(3600);
    message.prefix.nd_opt_pi_preferred_time = htonl(3600);
    ::inet_pton(AF_INET6, "2001:db8:77::", &message.prefix.nd_opt_pi_prefix);
    const auto to = group("ff02::1", link);
    ::sendto(socket, &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

/// Answers solicitations on its end of a link, and says nothing of itself: whoever does not ask in time, as
/// the kernel asks when a link comes up, learns nothing.
int answer_solicitations(const std::string& link) {
    const int socket = ::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    const int hops = 255;
    ipv6_mreq all_routers{};
    ::inet_pton(AF_INET6, "ff02::2", &all_routers.ipv6mr_multiaddr);
    all_routers.ipv6mr_interface = ::if_nametoindex(link.c_str());
    if (::setsockopt(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0 ||
        ::setsockopt(socket, IPPROTO_IPV6, IPV6_JOIN_GROUP, &all_routers, sizeof all_routers) != 0) {
        return 1;
    }
    std::array<unsigned char, 1500> packet{};
    while (::recv(socket, packet.data(), packet.size(), 0) > 0) {
        if (packet[0] == ND_ROUTER_SOLICIT) {
            advertise(socket, link);
        }
    }
    return 0;
}

/// A network with such a router, to which the host is connected by a link `usb0` of others.
class Network {
public:
    /// The link comes, and comes up.
    void connect() {
        const auto self = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(netns_.fd());
        output({"ip", "link", "add", "usb0", "type", "veth", "peer", "name", "lan", "netns", self});
        ip({"link", "set", "lan", "addrgenmode", "none"}, netns_.fd());
        ip({"link", "set", "lan", "up"}, netns_.fd());
        ip({"address", "add", "fe80::77/64", "dev", "lan", "nodad"}, netns_.fd());
        router_.emplace([] { return answer_solicitations("lan"); }, netns_.fd());
        ip({"link", "set", "usb0", "up"});
    }
    void disconnect() {
        ip({"link", "delete", "usb0"});
        router_.reset();
    }
    [[nodiscard]] int netns() const { return netns_.fd(); }

private:
    Netns netns_;
    std::optional<Background> router_;
};

bool has_route() {
    return output({"ip", "-6", "route", "show", "default", "proto", "ra"}).find("usb0") != std::string::npos;
}
bool has_address() {
    return output({"ip", "-6", "address", "show", "dev", "usb0"}).find("2001:db8:77:") != std::string::npos;
}
bool has_learnt(Milliseconds within = 15s) {
    return eventually([] { return has_route() && has_address(); }, within);
}

std::string accept_ra(const std::string& link) {
    return sysctl("net.ipv6.conf." + link + ".accept_ra");
}

void start_as_host() {
    set_sysctl("net.ipv6.conf.all.forwarding", "0");
    set_sysctl("net.ipv6.conf.default.accept_ra", "1");
}

}  // namespace

TEST_CASE("uplink: what is learnt stays when a partition gets IPv6 under a running partd",
          "[uplink][daemon]") {
    Sandbox sandbox;
    start_as_host();
    Network network;
    network.connect();
    REQUIRE(has_learnt());
    sandbox.write_config("web.toml", kWeb);
    const Daemon daemon;
    REQUIRE(converged(sandbox));
    Background monitor(Arguments{"ip", "-6", "monitor", "route"});
    sandbox.write_config("six.toml", kRouted6);
    REQUIRE(eventually([] { return sysctl("net.ipv6.conf.all.forwarding") == "1"; }));
    REQUIRE(converged(sandbox));
    CHECK(has_route());
    CHECK(has_address());
    CHECK(monitor.written().find("Deleted default") == std::string::npos);
    CHECK(accept_ra("usb0") == "2");
    CHECK(accept_ra("six0") == "0");  // nobody there is believed
}

TEST_CASE("uplink: a link that comes when partd has turned forwarding on learns", "[uplink][daemon]") {
    Sandbox sandbox;
    start_as_host();
    sandbox.write_config("six.toml", kRouted6);
    const Daemon daemon;
    REQUIRE(eventually([] { return sysctl("net.ipv6.conf.all.forwarding") == "1"; }));
    Network network;
    network.connect();
    CHECK(has_learnt());
    SECTION("also when it goes down and up") {
        ip({"link", "set", "usb0", "down"});
        REQUIRE(eventually([] { return !has_route(); }));
        ip({"link", "set", "usb0", "up"});
        CHECK(has_learnt());
    }
    SECTION("also when it is made anew") {
        network.disconnect();
        network.connect();
        CHECK(has_learnt());
    }
    SECTION("also when its setting is put back as it comes up") {
        ip({"link", "set", "usb0", "down"});
        set_sysctl("net.ipv6.conf.usb0.accept_ra", "1");
        ip({"link", "set", "usb0", "up"});
        CHECK(has_learnt());
    }
    SECTION("not when it is not to") {
        ip({"link", "set", "usb0", "down"});
        set_sysctl("net.ipv6.conf.usb0.accept_ra", "0");
        ip({"link", "set", "usb0", "up"});
        CHECK(remains([] { return accept_ra("usb0") == "0"; }, 1s));
        CHECK(sandbox.diff() == 0);
    }
}

TEST_CASE("uplink: partctl alone mends a link that has come meanwhile", "[uplink]") {
    Sandbox sandbox;
    start_as_host();
    sandbox.write_config("six.toml", kRouted6);
    sandbox.apply();
    Network network;
    network.connect();
    REQUIRE(remains([] { return !has_route(); }, 2s));
    const auto seen = sandbox.partctl({"status", "six", "--check"});
    CHECK(seen.code == 1);
    CHECK(seen.out.find("deaf usb0") != std::string::npos);
    sandbox.apply();
    CHECK(has_learnt());
}

TEST_CASE("uplink: a host that was a router before stays as it is", "[uplink]") {
    Sandbox sandbox;
    start_as_host();
    set_sysctl("net.ipv6.conf.all.forwarding", "1");
    Network network;
    network.connect();
    sandbox.write_config("six.toml", kRouted6);
    sandbox.apply();
    CHECK(accept_ra("usb0") == "1");
    CHECK_FALSE(has_route());
}

TEST_CASE("drift: a switch that a partition needs is no secret of the shared ones",
          "[drift][sysctl][status]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.nat]\nmasquerade = true\n");
    sandbox.write_config("alone.toml", "[partition.alone]\n");
    sandbox.apply();
    CHECK(sandbox.partctl({"status", "web", "--check"}).code == 0);
    set_sysctl("net.ipv4.ip_forward", "0");
    CHECK(state_of_partition(sandbox, "web") == "degraded");
    CHECK(state_of_partition(sandbox, "alone") == "active");
    CHECK(sandbox.partctl({"status", "web", "--check"}).code == 1);
    CHECK(sandbox.partctl({"status", "alone", "--check"}).code == 0);
    CHECK(sandbox.partctl({"diff", "web"}).code == 1);
    CHECK(sandbox.partctl({"apply", "alone"}).code == 0);
    CHECK(sysctl("net.ipv4.ip_forward") == "0");
    CHECK(sandbox.partctl({"apply", "web"}).code == 0);
    CHECK(sysctl("net.ipv4.ip_forward") == "1");
}

TEST_CASE("daemon: forwarding that somebody turns off is turned on at once", "[daemon][sysctl]") {
    Sandbox sandbox;
    set_sysctl("net.ipv4.ip_forward", "0");
    start_as_host();
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.nat]\nmasquerade = true\n");
    sandbox.write_config("six.toml", kRouted6);
    sandbox.write_config("inner.toml", "[partition.inner.sysctl]\nnet.ipv4.ip_forward = 1\n");
    const Daemon daemon;
    REQUIRE(converged(sandbox));
    const std::string name = GENERATE(as<std::string>(), "net.ipv4.ip_forward",
                                      "net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding");
    INFO(name);
    set_sysctl(name, "0");
    CHECK(eventually([&] { return sysctl(name) == "1"; }, 2s));
    const int inner = sandbox.netns("inner");
    CHECK(sysctl("net.ipv4.ip_forward", inner) == "1");
    set_sysctl("net.ipv4.ip_forward", "0", inner);
    CHECK(eventually([&] { return sysctl("net.ipv4.ip_forward", inner) == "1"; }, 2s));
}

TEST_CASE("drift: a partition's link that is kept from forwarding", "[drift][sysctl][nat]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const Server server(outside.netns.fd(), Outside::kPeer4, 9000);
    sandbox.write_config("web.toml", std::string(kWeb) +
                                         "[[partition.web.route]]\nto = \"default\"\nvia = \"10.1.1.2\"\n"
                                         "[partition.web.nat]\nmasquerade = true\n");
    SECTION("from the beginning, as new links are") {
        set_sysctl("net.ipv4.ip_forward", "1");
        set_sysctl("net.ipv4.conf.default.forwarding", "0");
        sandbox.apply();
    }
    SECTION("later") {
        sandbox.apply();
        set_sysctl("net.ipv4.conf.web0.forwarding", "0");
        CHECK(state_of_partition(sandbox, "web") == "degraded");
        CHECK(sandbox.partctl({"apply", "web"}).code == 0);
    }
    CHECK(sysctl("net.ipv4.conf.web0.forwarding") == "1");
    CHECK(seen_by(sandbox.netns("web"), Outside::kPeer4, 9000) == Outside::kHost4);
    CHECK(sandbox.diff() == 0);
}
