// SPDX-License-Identifier: Apache-2.0
// Flows that begin while the table is not there, and never stop.
#include "host_view.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <regex>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr const char* kDual = R"([partition.web.link.eth0]
address = ["10.1.1.1/24", "fd00:1::1/64"]
peer = { name = "web0", address = ["10.1.1.2/24", "fd00:1::2/64"] }
[[partition.web.route]]
to = "default"
via = "10.1.1.2"
[[partition.web.route]]
to = "default"
via = "fd00:1::2"
[partition.web.nat]
masquerade = true
[[partition.web.nat.forward]]
listen = "udp/5353"
to = "10.1.1.1:53"
)";

/// Another ruleset in place of all, and nothing that closes a host without one: connections are tracked on,
/// and nothing is translated.
void flush_ruleset() {
    output({"ip", "xfrm", "policy", "flush"});
    output({"nft", "-f", "-"},
           {.input = "flush ruleset\ntable inet other { chain c { type filter hook prerouting priority 0; "
                     "ct state established accept; }; }"});
}

/// Sends a datagram every 50 ms from one port, and says a line for each answer.
class Sender {
public:
    Sender(int netns, bool v6, const std::string& to, std::uint16_t port)
        : process_([=] { return send(v6, to, port); }, netns) {}

    /// The last answer; "" when there is none.
    [[nodiscard]] std::string answer() const {
        const auto said = process_.written();
        const auto end = said.rfind('\n');
        const auto begin = end == std::string::npos || end == 0 ? end : said.rfind('\n', end - 1);
        return end == std::string::npos ? ""
                                        : said.substr(begin == std::string::npos ? 0 : begin + 1,
                                                      end - (begin == std::string::npos ? 0 : begin + 1));
    }

private:
    static int send(bool v6, const std::string& to, std::uint16_t port) {
        const int socket = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        ::inet_pton(v6 ? AF_INET6 : AF_INET, to.c_str(),
                    v6 ? static_cast<void*>(&six.sin6_addr) : static_cast<void*>(&four.sin_addr));
        const auto* address =
            v6 ? reinterpret_cast<const sockaddr*>(&six) : reinterpret_cast<const sockaddr*>(&four);
        std::array<char, 200> answer{};
        while (true) {
            ::sendto(socket, "x", 1, 0, address, v6 ? sizeof six : sizeof four);
            ::usleep(50'000);
            ssize_t size = 0;
            while ((size = ::recv(socket, answer.data(), answer.size(), MSG_DONTWAIT)) > 0) {
                (void)!::write(STDOUT_FILENO, answer.data(), static_cast<std::size_t>(size));
            }
        }
    }

    Background process_;
};

/// The number of the connection to that port; "" when there is none.
std::string connection(const std::string& port) {
    const auto listed = run({"conntrack", "-L", "-p", "udp", "--dport", port, "-o", "id"}).out;
    std::smatch match;
    return std::regex_search(listed, match, std::regex("id=([0-9]+)")) ? match[1].str() : "";
}

}  // namespace

TEST_CASE("gap: a flow out of a partition that began without its masquerade gets it", "[nat][gap]") {
    const bool v6 = GENERATE(false, true);
    INFO("IPv6: " << v6);
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const char* peer = v6 ? Outside::kPeer6 : Outside::kPeer4;
    const char* host = v6 ? Outside::kHost6 : Outside::kHost4;
    const char* own = v6 ? "fd00:1::1" : "10.1.1.1";
    sandbox.write_config("web.toml", kDual);
    sandbox.apply();
    const Server server(outside.netns.fd(), peer, 9000, Transport::udp);
    const Server other(outside.netns.fd(), peer, 9001, Transport::udp);
    REQUIRE(seen_soon(sandbox.netns("web"), peer, 9000, Transport::udp) == host);
    flush_ruleset();
    const Sender sender(sandbox.netns("web"), v6, peer, 9000);
    const Sender foreign(kHere, v6, peer, 9001);
    REQUIRE(eventually([&] { return sender.answer() == own && foreign.answer() == host; }));
    const auto untouched = connection("9001");
    sandbox.apply();
    CHECK(eventually([&] { return sender.answer() == host; }));
    // the host's own flow needs none, and goes on as it is
    if (!v6) {
        REQUIRE_FALSE(untouched.empty());
        CHECK(connection("9001") == untouched);
    }
}

TEST_CASE("gap: a flow to a forwarded port that began without the forward gets it", "[nat][gap][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.write_config("web.toml", kDual);
    sandbox.apply();
    const Server server(sandbox.netns("web"), "10.1.1.1", 53, Transport::udp);
    flush_ruleset();
    const Sender sender(outside.netns.fd(), false, Outside::kHost4, 5353);
    REQUIRE(remains([&] { return sender.answer().empty(); }, 500ms));
    REQUIRE_FALSE(connection("5353").empty());
    sandbox.apply();
    CHECK(eventually([&] { return sender.answer() == Outside::kPeer4; }));
}

TEST_CASE("gap: a forward that is declared later takes over a flow to its port", "[nat][gap][forward]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    std::string without = kDual;
    without.resize(without.find("[[partition.web.nat.forward]]"));
    sandbox.write_config("web.toml", without);
    sandbox.apply();
    const Server server(sandbox.netns("web"), "10.1.1.1", 53, Transport::udp);
    const Sender sender(outside.netns.fd(), false, Outside::kHost4, 5353);
    REQUIRE(eventually([] { return !connection("5353").empty(); }));
    REQUIRE(sender.answer().empty());
    sandbox.write_config("web.toml", kDual);
    sandbox.apply();
    CHECK(eventually([&] { return sender.answer() == Outside::kPeer4; }));
}
