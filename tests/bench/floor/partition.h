// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace bench {

// The partition of a number, as bench/document.py declares it: pNNNN with eth0, and pv-pNNNN on the host;
// 10.A.B.0/24 and fd00:A:B::/64, .2 inside and .1 on the host.
struct Partition {
    int number = 0;

    [[nodiscard]] std::string name() const;
    [[nodiscard]] std::string host_end() const { return "pv-" + name(); }
    // Of the host's end, below those that the kernel chooses by itself here.
    [[nodiscard]] int host_index() const { return 1000 + number; }
    [[nodiscard]] std::string pin() const { return "/run/netns/" + name(); }
    [[nodiscard]] std::string slice() const { return "/partd.slice/partd-" + name() + ".slice"; }
    // The address with that last number; 0 is the network's.
    [[nodiscard]] std::array<std::uint8_t, 4> v4(int host) const;
    [[nodiscard]] std::array<std::uint8_t, 16> v6(int host) const;
};

// Where the marks and the limits of cgroups are; on cgroup v2 the same place.
struct Cgroups {
    std::string marks = {};
    std::string limits = {};  // empty where the host has no pids controller
};

// Index of eth0 inside: the first after lo.
inline constexpr int kInnerIndex = 2;
// The protocol number of partd's addresses and routes.
inline constexpr std::uint8_t kProtocol = 112;

void create(int first, int count, const Cgroups& cgroups);
void look(int count, int threads, const Cgroups& cgroups);
void change_mtu(int number, std::uint32_t mtu);
// eth0 was set down: up again, with the address and the routes that it lost.
void repair(int number);
void remove(int first, int count, bool all, const Cgroups& cgroups);
// Adds and deletes one element of the table, that many times; prints the median time of one transaction in
// µs.
void try_elements(int times);

}  // namespace bench
