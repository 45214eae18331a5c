// SPDX-License-Identifier: Apache-2.0
// Sends UDP packets from one network namespace to an address in another one and tells how many or how fast
// they came.
//   traffic stream FROM TO ADDRESS SECONDS   one flow of full packets, as many as go
//   traffic echo   FROM TO ADDRESS COUNT     one packet there and back after the other, one flow
//   traffic fresh  FROM TO ADDRESS COUNT     the same, each from a port of its own: a new connection for NAT
// FROM and TO are names in /run/netns; ADDRESS is one of TO's. Prints one line of JSON.
#include "message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using bench::require;

namespace {

constexpr std::uint16_t kPort = 5000;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kPayload = 1400;

std::int64_t now() {
    timespec time = {};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void enter(const std::string& name) {
    const int netns = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    require(netns >= 0 && ::setns(netns, CLONE_NEWNET) == 0, name.c_str());
    ::close(netns);
}

int udp_socket() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    require(fd >= 0, "udp socket");
    const int room = 16 << 20;
    require(::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0, "SO_RCVBUFFORCE");
    return fd;
}

sockaddr_in address(const char* text) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(kPort);
    require(::inet_pton(AF_INET, text, &to.sin_addr) == 1, text);
    return to;
}

int server_in(const std::string& name) {
    enter(name);
    const int fd = udp_socket();
    const sockaddr_in any = address("0.0.0.0");
    require(::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0, "bind");
    return fd;
}

int connected(const sockaddr_in& to) {
    const int fd = udp_socket();
    require(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "connect");
    return fd;
}

// Buffers for sendmmsg(2) and recvmmsg(2).
struct Batch {
    std::vector<std::array<char, kPayload>> payloads = std::vector<std::array<char, kPayload>>(kBatch);
    std::array<iovec, kBatch> places = {};
    std::array<mmsghdr, kBatch> headers = {};

    Batch() {
        for (std::size_t i = 0; i < kBatch; ++i) {
            places[i] = {.iov_base = payloads[i].data(), .iov_len = kPayload};
            headers[i].msg_hdr.msg_iov = &places[i];
            headers[i].msg_hdr.msg_iovlen = 1;
        }
    }
};

int stream(int server, int client, int seconds) {
    std::atomic<bool> over = false;
    std::atomic<std::uint64_t> received = 0;
    const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
    require(::setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "SO_RCVTIMEO");
    std::thread receiver([&] {
        Batch batch;
        while (!over) {
            const int got = ::recvmmsg(server, batch.headers.data(), kBatch, MSG_WAITFORONE, nullptr);
            received += got > 0 ? static_cast<std::uint64_t>(got) : 0;
        }
    });
    Batch batch;
    std::uint64_t sent = 0;
    const std::int64_t start = now();
    const std::int64_t until = start + std::int64_t{seconds} * 1'000'000'000;
    while (now() < until) {
        const int done = ::sendmmsg(client, batch.headers.data(), kBatch, 0);
        require(done > 0 || errno == ENOBUFS || errno == EAGAIN, "send");
        sent += done > 0 ? static_cast<std::uint64_t>(done) : 0;
    }
    const std::uint64_t counted = received;
    const double taken = static_cast<double>(now() - start) / 1e9;
    over = true;
    receiver.join();
    const double rate = static_cast<double>(counted) / taken;
    ::printf("{\"packets_per_s\": %.0f, \"mbit_per_s\": %.1f, \"sent\": %llu}\n", rate,
             rate * kPayload * 8 / 1e6, static_cast<unsigned long long>(sent));
    return counted == 0;
}

void answer(int server) {
    sockaddr_in from = {};
    std::array<char, 64> payload = {};
    while (true) {
        socklen_t size = sizeof from;
        const ssize_t got =
            ::recvfrom(server, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (got <= 0) {
            return;  // the end's empty packet
        }
        ::sendto(server, payload.data(), static_cast<std::size_t>(got), 0,
                 reinterpret_cast<const sockaddr*>(&from), size);
    }
}

// Time of one packet there and back, in µs; negative when it did not come back within a second.
double round_trip(int client) {
    std::array<char, 64> payload = {};
    const std::int64_t start = now();
    require(::send(client, payload.data(), payload.size(), 0) > 0, "send");
    if (::recv(client, payload.data(), payload.size(), 0) <= 0) {
        return -1;
    }
    return static_cast<double>(now() - start) / 1e3;
}

int echo(int server, const sockaddr_in& to, int count, bool fresh) {
    std::thread answerer([&] { answer(server); });
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    std::vector<double> taken;
    int client = -1;
    int lost = 0;
    for (int i = 0; i < count; ++i) {
        if (client < 0 || fresh) {
            ::close(client);
            client = connected(to);
            require(::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
                    "SO_RCVTIMEO");
        }
        const double time = round_trip(client);
        if (time < 0) {
            ++lost;
        } else {
            taken.push_back(time);
        }
    }
    require(::send(client, nullptr, 0, 0) == 0, "end");
    answerer.join();
    std::ranges::sort(taken);
    const auto at = [&](std::size_t percent) {
        return taken.empty() ? 0 : taken[taken.size() * percent / 100];
    };
    ::printf("{\"median_us\": %.2f, \"p99_us\": %.2f, \"lost\": %d}\n", at(50), at(99), lost);
    return taken.empty() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        ::fputs("traffic stream|echo|fresh FROM TO ADDRESS SECONDS|COUNT\n", stderr);
        return 2;
    }
    const std::string_view what = argv[1];
    const int server = server_in(argv[3]);
    enter(argv[2]);
    const sockaddr_in to = address(argv[4]);
    if (what == "stream") {
        return stream(server, connected(to), ::atoi(argv[5]));
    }
    return echo(server, to, ::atoi(argv[5]), what == "fresh");
}
