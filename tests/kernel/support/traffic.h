// SPDX-License-Identifier: Apache-2.0
#pragma once
// Servers and clients of the tests' own: they tell which address the other side saw.

#include "process.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace partd::test {

/// The network namespace that the test itself is in: the sandbox's host.
constexpr int kHere = -1;

enum class Transport { tcp, udp };

/// Answers each connection (or datagram) with the address that it came from, then echoes. Listens when
/// constructed.
class Server {
public:
    Server(int netns, const std::string& address, std::uint16_t port, Transport transport = Transport::tcp);

private:
    std::unique_ptr<Background> process_;
};

/// An open TCP connection to a Server.
class Connection {
public:
    /// Empty when it is refused or not answered in time. `source` is the address to come from, if it matters.
    static std::optional<Connection> open(int netns, const std::string& address, std::uint16_t port,
                                          Milliseconds timeout = 4s, const std::string& source = {});
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&&) = delete;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// The client's address as the server sees it.
    [[nodiscard]] const std::string& seen_as() const { return seen_as_; }
    /// True if a byte still comes back.
    [[nodiscard]] bool alive(Milliseconds timeout = 2s) const;

private:
    explicit Connection(int socket) : socket_(socket) {}

    int socket_ = -1;
    std::string seen_as_;
};

/// A UDP socket at one address and port.
class Datagrams {
public:
    Datagrams(int netns, const std::string& address, std::uint16_t port);
    Datagrams(const Datagrams&) = delete;
    Datagrams& operator=(const Datagrams&) = delete;
    ~Datagrams();

    void send(const std::string& text, const std::string& address, std::uint16_t port) const;
    struct Received {
        std::string text;
        std::string from;
        std::uint16_t port = 0;
    };
    /// The next one that has come or comes in that time.
    [[nodiscard]] std::optional<Received> receive(Milliseconds timeout = 1s) const;

private:
    int socket_ = -1;
};

/// Which address a server saw, or nothing when none could be reached. It waits for more than one
/// retransmission: the kernel activates a new link's queue up to a second late.
std::optional<std::string> seen_by(int netns, const std::string& address, std::uint16_t port,
                                   Transport transport = Transport::tcp, const std::string& source = {});

/// No server answers, to two attempts of the kernel.
bool out_of_reach(int netns, const std::string& address, std::uint16_t port,
                  Transport transport = Transport::tcp, const std::string& source = {});

/// As seen_by, repeated until it is reached: IPv6 addresses need a while to settle.
std::optional<std::string> seen_soon(int netns, const std::string& address, std::uint16_t port,
                                     Transport transport = Transport::tcp);

/// A router advertisement with a lifetime of half an hour to all nodes on the link.
void advertise_router(int netns, const std::string& link);

/// One answer within three seconds.
bool pings(int netns, const std::string& address);
/// No answer to two requests.
bool does_not_ping(int netns, const std::string& address);

}  // namespace partd::test
