// SPDX-License-Identifier: Apache-2.0
// Clients that behave badly: after each of them the daemon still serves the others, and has not grown.

#include "daemon_fixture.h"
#include "host_view.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr double kMostMegabytes = 64;
constexpr const char* kHandshake = "AUTH EXTERNAL 30\r\n";

/// A connection to the daemon's socket; what fails is seen by what the daemon does.
class BusClient {
public:
    BusClient() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, "/run/partd/bus");
        const timeval patience{.tv_sec = 1, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    BusClient(BusClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
    BusClient& operator=(BusClient&&) = delete;
    BusClient(const BusClient&) = delete;
    BusClient& operator=(const BusClient&) = delete;
    ~BusClient() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] bool connected() const { return connected_; }
    bool send(std::string_view bytes) const {
        return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
    }
    /// Bytes that arrive within a second; "" if none do, or the connection is closed.
    [[nodiscard]] std::string receive() const {
        std::array<char, 65536> buffer{};
        const auto size = ::recv(fd_, buffer.data(), buffer.size(), 0);
        return size <= 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }
    /// Up to the point where messages follow.
    bool authenticate() const {
        return send(std::string_view("\0", 1)) && send(kHandshake) && receive().starts_with("OK ") &&
               send("BEGIN\r\n");
    }
    /// True if the daemon closes the connection within 2 s.
    [[nodiscard]] bool closed() const {
        char byte = 0;
        return eventually(
            [&] { return ::recv(fd_, &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EINTR); },
            2s);
    }

private:
    int fd_;
    bool connected_ = false;
};

/// A message of the D-Bus wire format, little endian.
class Message {
public:
    explicit Message(const std::string& member) {
        field(1, 'o', "/org/partd1");
        field(2, 's', "org.partd1.Manager");
        field(3, 's', member);
        align(fields_, 8);
        fields_ += '\x08';
        fields_ += std::string("\x01g\x00\x05", 4) + "a{sv}" + '\0';
    }
    /// All of it; `declared`: the length of the body that the header promises.
    [[nodiscard]] std::string bytes(std::uint32_t declared = 8) const {
        std::string all("l\x01\x00\x01", 4);
        number(all, declared);
        number(all, 1);  // serial
        number(all, static_cast<std::uint32_t>(fields_.size()));
        all += fields_;
        align(all, 8);
        return all + std::string(8, '\0');  // an empty dictionary
    }

private:
    static void number(std::string& to, std::uint32_t value) {
        for (int shift = 0; shift < 32; shift += 8) {
            to += static_cast<char>(value >> shift & 0xff);
        }
    }
    static void align(std::string& text, std::size_t to) { text.append((to - text.size() % to) % to, '\0'); }
    void field(char code, char type, const std::string& value) {
        align(fields_, 8);
        fields_ += code;
        fields_ += '\x01';
        fields_ += type;
        fields_ += '\0';
        number(fields_, static_cast<std::uint32_t>(value.size()));
        fields_ += value + '\0';
    }
    std::string fields_;
};

struct Attacked {
    Sandbox sandbox;
    Daemon daemon;

    Attacked() {
        sandbox.write_config("web.toml", kWeb);
        REQUIRE(eventually([&] { return exists("web") && answers(sandbox) && converged(sandbox); }));
    }
    /// After the attack: it serves, it repairs, it has not grown.
    void judge() {
        INFO(daemon.log());
        CHECK(answers(sandbox));
        CHECK(daemon.megabytes() < kMostMegabytes);
        ip({"link", "set", "web0", "down"});
        CHECK(eventually([] { return is_up("web0"); }, 2s));
        CHECK(daemon.running());
    }
    [[nodiscard]] std::size_t descriptors() const {
        return occurrences(output({"ls", "/proc/" + std::to_string(daemon.pid()) + "/fd"}), "\n");
    }
};

}  // namespace

TEST_CASE("clients: one that speaks by hand is answered", "[control][clients]") {
    Attacked host;
    const BusClient client;
    REQUIRE(client.connected());
    REQUIRE(client.authenticate());
    REQUIRE(client.send(Message("Status").bytes()));
    CHECK(client.receive().find("PARTITION") != std::string::npos);
}

TEST_CASE("clients: a thousand connections at once", "[control][clients]") {
    Attacked host;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit before = limit;
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    {
        std::vector<BusClient> crowd(1000);
        // those that are too many are sent away, and partctl manages by itself
        const auto meanwhile = host.sandbox.partctl({"status"}, {.input = {}, .timeout = 2s});
        INFO(meanwhile.text());
        CHECK(meanwhile.code == 0);
        CHECK(host.descriptors() < 200);
        CHECK(host.daemon.megabytes() < kMostMegabytes);
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    host.judge();
    CHECK(eventually([&] { return host.descriptors() < 60; }));
}

TEST_CASE("clients: handshakes that never end, and noise", "[control][clients]") {
    Attacked host;
    std::vector<BusClient> crowd;
    for (int i = 0; i < 40; ++i) {
        crowd.emplace_back();
        crowd.back().send(std::string_view("\0", 1));
        if (i % 2 == 0) {
            crowd.back().send("AUTH EXTER");
        }
    }
    host.judge();
    for (int i = 0; i < 40; ++i) {
        crowd.emplace_back();
        std::string noise;
        for (int k = 0; k < 5000; ++k) {
            noise += static_cast<char>((i * 7919 + k * 104729) >> 3 & 0xff);
        }
        if (i % 2 == 0) {
            crowd.back().authenticate();
        }
        crowd.back().send(noise);
    }
    host.judge();
    CHECK(crowd.back().closed());
}

TEST_CASE("clients: a message that is announced as 100 MB", "[control][clients]") {
    Attacked host;
    std::vector<BusClient> crowd(10);
    for (const BusClient& client : crowd) {
        REQUIRE(client.authenticate());
        client.send(Message("Status").bytes(100U << 20));
    }
    host.judge();
    // more than the protocol allows ends the connection
    const BusClient greedy;
    REQUIRE(greedy.authenticate());
    greedy.send(Message("Status").bytes(0xfffffff0U));
    CHECK(greedy.closed());
    host.judge();
}

TEST_CASE("clients: calls whose caller is gone", "[control][clients]") {
    Attacked host;
    const auto before = host.descriptors();
    for (int i = 0; i < 60; ++i) {
        const BusClient client;
        REQUIRE(client.authenticate());
        const auto call = Message(i % 2 == 0 ? "Status" : "Apply").bytes();
        client.send(i % 3 == 0 ? call.substr(0, call.size() / 2) : call);
    }
    host.judge();
    CHECK(eventually([&] { return answers(host.sandbox) && host.descriptors() <= before + 2; }));
}

TEST_CASE("clients: one that never reads while 5,000 things happen", "[control][clients]") {
    Attacked host;
    const BusClient deaf;
    REQUIRE(deaf.authenticate());
    std::string many = "[partition.p1.link.eth0]\naddress = [";
    for (int i = 0; i < 250; ++i) {
        many += "\"10.61.0." + std::to_string(i + 1) + "/16\", ";
    }
    many += "]\npeer = { name = \"h1\" }\n";
    const std::string none = "[partition.p1.link.eth0]\npeer = { name = \"h1\" }\n";
    const Listener listener;
    for (int i = 0; i < 20; ++i) {
        const auto applied =
            host.sandbox.partctl({"--no-legend", "apply", "-f", "-"}, {.input = i % 2 == 0 ? many : none});
        INFO(applied.text());
        REQUIRE(applied.code == 0);
    }
    CHECK(eventually([&] { return listener.heard().size() >= 5000; }));  // one that reads misses nothing
    host.judge();
    // it was told goodbye, and what was meant for it is gone
    CHECK_FALSE(eventually([&] { return host.daemon.megabytes() > 40; }, 100ms));
}

TEST_CASE("clients: a user without rights learns nothing", "[control][clients]") {
    Attacked host;
    const std::string program = host.sandbox.scratch() + "/partctl";
    fs::copy_file(PARTCTL, program);
    fs::permissions(host.sandbox.scratch(), fs::perms(0755));
    const auto ask = [&](const Arguments& arguments) {
        Arguments all{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", program};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return run(all);
    };
    for (const char* verb : {"status", "apply", "show", "pause", "resume", "freeze"}) {
        const auto existing = ask({verb, "web"});
        const auto missing = ask({verb, "nobody"});
        INFO(verb << ": " << existing.text() << missing.text());
        CHECK(existing.code == 5);
        CHECK(missing.code == 5);
        CHECK(existing.out.empty());
        CHECK(existing.err == missing.err);
        CHECK(existing.err.find("needs root") != std::string::npos);
        CHECK(existing.err.find("bus") == std::string::npos);
    }
    CHECK(ask({"check"}).code == 0);
    write_file("/var/lib/partd/rolled-back", "0 1\n");
    fs::permissions("/var/lib/partd/rolled-back", fs::perms(0600));
    CHECK(ask({"check"}).code == 0);
    CHECK(ask({"events"}).code != 0);
    const Outcome direct = run({"setpriv", "--reuid", "65534", "--clear-groups", "--", "busctl",
                                "--address=unix:path=/run/partd/bus", "call", "org.partd1", "/org/partd1",
                                "org.partd1.Manager", "Status", "a{sv}", "0"});
    CHECK(direct.code != 0);
    host.judge();
}

TEST_CASE("clients: a member of group partd may look, and no more", "[control][clients]") {
    Sandbox sandbox;
    write_file("/etc/group", read_file("/etc/group") + "partd:x:64999:\n");
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && answers(sandbox); }));
    const std::string program = sandbox.scratch() + "/partctl";
    fs::copy_file(PARTCTL, program);
    fs::permissions("/run/partd", fs::perms(0755));
    const auto ask = [&](const Arguments& arguments) {
        Arguments all{"setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "64999", "--", program};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return run(all);
    };
    const auto looked = ask({"status", "web"});
    INFO(looked.text());
    CHECK(looked.code == 0);
    CHECK(looked.out.find("active") != std::string::npos);
    for (const char* verb : {"apply", "pause", "kill"}) {
        const auto existing = ask({verb, "web"});
        const auto missing = ask({verb, "nobody"});
        INFO(verb << ": " << existing.text() << missing.text());
        CHECK(existing.code == 5);
        CHECK(existing.text() == missing.text());
    }
    // a text of their own is nobody's but root's, with whatever method it comes
    for (const char* method : {"Apply", "Diff", "Show"}) {
        const auto own = run({"setpriv",
                              "--reuid",
                              "65534",
                              "--regid",
                              "65534",
                              "--groups",
                              "64999",
                              "--",
                              "busctl",
                              "--address=unix:path=/run/partd/bus",
                              "call",
                              "org.partd1",
                              "/org/partd1",
                              "org.partd1.Manager",
                              method,
                              "a{sv}",
                              "1",
                              "extra",
                              "(ss)",
                              "x.toml",
                              "[partition.x]"});
        INFO(method << ": " << own.text());
        CHECK(own.code != 0);
        CHECK(own.err.find("Access denied") != std::string::npos);
    }
    // so many of them that they fill what is theirs: root still gets in
    Background crowd(Arguments{"setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "64999", "--",
                               "/usr/bin/python3", "-c", R"(
import socket, time
kept = []
for i in range(100):
    s = socket.socket(socket.AF_UNIX); s.connect("/run/partd/bus"); kept.append(s)
print("all", flush=True)
time.sleep(20)
)"});
    REQUIRE(eventually([&] { return crowd.written().find("all") != std::string::npos; }));
    CHECK(answers(sandbox));
    CHECK(daemon.megabytes() < kMostMegabytes);
}
