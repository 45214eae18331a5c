// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>

namespace partd::test {
namespace {

constexpr std::size_t kMaxClients = 64;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = sizeof(sockaddr_storage);

    SocketAddress() = default;
    SocketAddress(const std::string& address, std::uint16_t port) {
        if (address.find(':') != std::string::npos) {
            auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(port);
            length = sizeof v6;
            parse(AF_INET6, address, &v6.sin6_addr);
        } else {
            auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
            v4.sin_family = AF_INET;
            v4.sin_port = htons(port);
            length = sizeof v4;
            parse(AF_INET, address, &v4.sin_addr);
        }
    }
    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] int family() const { return storage.ss_family; }
    [[nodiscard]] std::uint16_t port() const {
        // Of both families it stands in the same place.
        return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
    }
    [[nodiscard]] std::string text() const {
        std::array<char, INET6_ADDRSTRLEN> buffer{};
        const void* bytes =
            family() == AF_INET6
                ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr)
                : static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(storage).sin_addr);
        return ::inet_ntop(family(), bytes, buffer.data(), buffer.size());
    }

private:
    static void parse(int family, const std::string& address, void* bytes) {
        if (::inet_pton(family, address.c_str(), bytes) != 1) {
            throw std::invalid_argument("not an address: " + address);
        }
    }
};

int open_socket(int netns, int family, Transport transport, int flags = 0) {
    std::unique_ptr<InNetns> there;
    if (netns >= 0) {
        there = std::make_unique<InNetns>(netns);
    }
    const int type = transport == Transport::tcp ? SOCK_STREAM : SOCK_DGRAM;
    const int made = ::socket(family, type | SOCK_CLOEXEC | flags, 0);
    require_call(made >= 0, "socket");
    return made;
}

bool readable(int socket, Milliseconds timeout) {
    pollfd polled{socket, POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
}

int greet(int listener) {
    SocketAddress peer;
    const int client = ::accept4(listener, peer.get(), &peer.length, SOCK_CLOEXEC);
    if (client >= 0) {
        const auto text = peer.text() + "\n";
        ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
    }
    return client;
}

bool echo(int client) {
    std::array<char, 4096> buffer{};
    const auto count = ::recv(client, buffer.data(), buffer.size(), 0);
    return count > 0 && ::send(client, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) == count;
}

int serve_tcp(int listener) {
    std::vector<pollfd> polled{{listener, POLLIN, 0}};
    while (::poll(polled.data(), polled.size(), -1) > 0) {
        for (std::size_t i = polled.size() - 1; i > 0; --i) {
            if (polled[i].revents != 0 && !echo(polled[i].fd)) {
                ::close(polled[i].fd);
                polled.erase(polled.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        if (polled[0].revents != 0 && polled.size() < kMaxClients) {
            if (const int client = greet(listener); client >= 0) {
                polled.push_back({client, POLLIN, 0});
            }
        }
    }
    return 1;
}

int serve_udp(int socket) {
    std::array<char, 512> ignored{};
    while (true) {
        SocketAddress peer;
        if (::recvfrom(socket, ignored.data(), ignored.size(), 0, peer.get(), &peer.length) < 0) {
            return 1;
        }
        const auto text = peer.text() + "\n";
        ::sendto(socket, text.data(), text.size(), 0, peer.get(), peer.length);
    }
}

/// Waits for the connection of a non-blocking socket.
bool connected(int socket, SocketAddress& to, Milliseconds timeout) {
    if (::connect(socket, to.get(), to.length) == 0) {
        return true;
    }
    pollfd polled{socket, POLLOUT, 0};
    int problem = 0;
    socklen_t size = sizeof problem;
    return errno == EINPROGRESS && ::poll(&polled, 1, static_cast<int>(timeout.count())) == 1 &&
           ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0;
}

std::string line_from(int socket, Milliseconds timeout) {
    std::array<char, 128> buffer{};
    if (!readable(socket, timeout)) {
        return {};
    }
    const auto count = ::recv(socket, buffer.data(), buffer.size(), 0);
    return count <= 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(count) - 1);
}

void come_from(int socket, const std::string& source) {
    if (!source.empty()) {
        SocketAddress from(source, 0);
        require_call(::bind(socket, from.get(), from.length) == 0, "bind " + source);
    }
}

std::optional<std::string> seen_by_udp(int netns, const std::string& address, std::uint16_t port,
                                       Milliseconds timeout, const std::string& source) {
    SocketAddress to(address, port);
    const int socket = open_socket(netns, to.family(), Transport::udp);
    come_from(socket, source);
    std::string answer;
    if (::connect(socket, to.get(), to.length) == 0) {
        eventually(
            [&] {
                ::send(socket, "?", 1, 0);
                answer = line_from(socket, 300ms);
                return !answer.empty();
            },
            timeout);
    }
    ::close(socket);
    return answer.empty() ? std::nullopt : std::optional(answer);
}

std::optional<std::string> seen_within(Milliseconds timeout, int netns, const std::string& address,
                                       std::uint16_t port, Transport transport, const std::string& source) {
    if (transport == Transport::udp) {
        return seen_by_udp(netns, address, port, timeout, source);
    }
    const auto connection = Connection::open(netns, address, port, timeout, source);
    return connection ? std::optional(connection->seen_as()) : std::nullopt;
}

}  // namespace

Server::Server(int netns, const std::string& address, std::uint16_t port, Transport transport) {
    SocketAddress own(address, port);
    const int socket = open_socket(netns, own.family(), transport);
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // IPv6 addresses may still be tentative
    const int free_bind = own.family() == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND;
    ::setsockopt(socket, own.family() == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, free_bind, &on, sizeof on);
    require_call(::bind(socket, own.get(), own.length) == 0, "bind " + address + " " + std::to_string(port));
    if (transport == Transport::tcp) {
        require_call(::listen(socket, 16) == 0, "listen");
    }
    process_ = std::make_unique<Background>(std::function<int()>(
        [=] { return transport == Transport::tcp ? serve_tcp(socket) : serve_udp(socket); }));
    ::close(socket);
}

std::optional<Connection> Connection::open(int netns, const std::string& address, std::uint16_t port,
                                           Milliseconds timeout, const std::string& source) {
    SocketAddress to(address, port);
    Connection connection(open_socket(netns, to.family(), Transport::tcp, SOCK_NONBLOCK));
    come_from(connection.socket_, source);
    if (!connected(connection.socket_, to, timeout)) {
        return std::nullopt;
    }
    connection.seen_as_ = line_from(connection.socket_, 5s);
    return connection.seen_as_.empty() ? std::nullopt : std::optional<Connection>(std::move(connection));
}

Connection::Connection(Connection&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), seen_as_(std::move(other.seen_as_)) {}

Connection::~Connection() {
    if (socket_ >= 0) {
        ::close(socket_);
    }
}

bool Connection::alive(Milliseconds timeout) const {
    char byte = 'x';
    return ::send(socket_, &byte, 1, MSG_NOSIGNAL) == 1 && readable(socket_, timeout) &&
           ::recv(socket_, &byte, 1, 0) == 1;
}

std::optional<std::string> seen_by(int netns, const std::string& address, std::uint16_t port,
                                   Transport transport, const std::string& source) {
    return seen_within(4s, netns, address, port, transport, source);
}

bool out_of_reach(int netns, const std::string& address, std::uint16_t port, Transport transport,
                  const std::string& source) {
    return !seen_within(1300ms, netns, address, port, transport, source);
}

std::optional<std::string> seen_soon(int netns, const std::string& address, std::uint16_t port,
                                     Transport transport) {
    std::optional<std::string> seen;
    eventually([&] { return (seen = seen_within(1s, netns, address, port, transport, {})).has_value(); }, 5s);
    return seen;
}

Datagrams::Datagrams(int netns, const std::string& address, std::uint16_t port) {
    SocketAddress here(address, port);
    socket_ = open_socket(netns, here.family(), Transport::udp);
    require_call(::bind(socket_, here.get(), here.length) == 0, "bind");
}

Datagrams::~Datagrams() {
    ::close(socket_);
}

void Datagrams::send(const std::string& text, const std::string& address, std::uint16_t port) const {
    SocketAddress to(address, port);
    require_call(::sendto(socket_, text.data(), text.size(), 0, to.get(), to.length) >= 0, "send");
}

std::optional<Datagrams::Received> Datagrams::receive(Milliseconds timeout) const {
    if (!readable(socket_, timeout)) {
        return std::nullopt;
    }
    std::array<char, 512> buffer{};
    SocketAddress from;
    const auto size = ::recvfrom(socket_, buffer.data(), buffer.size(), 0, from.get(), &from.length);
    if (size < 0) {
        return std::nullopt;
    }
    return Received{{buffer.data(), static_cast<std::size_t>(size)}, from.text(), from.port()};
}

void advertise_router(int netns, const std::string& link) {
    const InNetns there(netns);
    const int socket = ::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    require_call(socket >= 0, "raw socket");
    const int hops = 255;  // RFC 4861, 6.1.2: or else it is not believed
    require_call(::setsockopt(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) == 0,
                 "hop limit");
    SocketAddress all_nodes("ff02::1", 0);
    reinterpret_cast<sockaddr_in6&>(all_nodes.storage).sin6_scope_id = ::if_nametoindex(link.c_str());
    nd_router_advert advertisement{};
    advertisement.nd_ra_type = ND_ROUTER_ADVERT;
    advertisement.nd_ra_curhoplimit = 64;
    advertisement.nd_ra_router_lifetime = htons(1800);
    const auto sent =
        ::sendto(socket, &advertisement, sizeof advertisement, 0, all_nodes.get(), all_nodes.length);
    ::close(socket);
    require_call(sent == sizeof advertisement, "send router advertisement");
}

bool pings(int netns, const std::string& address) {
    const RunOptions there{.input = {}, .timeout = 5s, .netns = netns};
    return eventually(
        [&] { return run({"ping", "-n", "-q", "-c", "1", "-W", "1", address}, there).code == 0; }, 4s);
}

bool does_not_ping(int netns, const std::string& address) {
    const RunOptions there{.input = {}, .timeout = 5s, .netns = netns};
    return run({"ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1", address}, there).code != 0;
}

}  // namespace partd::test
