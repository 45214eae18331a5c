// SPDX-License-Identifier: Apache-2.0
// From bytes to a host that is valid by construction: every partition has address ranges, ports and host ends
// of its own, and each object refers only to what the same side of the case has.

#include "draws.h"

#include <algorithm>
#include <array>

namespace partd::test {
namespace {

constexpr std::array kNames = {
    std::array{"web", "a-b-c", "w_1", "an-uncommonly-long-name-of-a-partition-that-has-64-characters-xy"},
    std::array{"db", "0", "x--y", "long-name-of-a-partition"},
    std::array{"p", "vpn-de", "z9", "q_q"},
    std::array{"last", "k8s-node", "t-1", "abcdefghijkl"},
};
constexpr unsigned kMostSlots = kNames.size();
class Builder {
public:
    Builder(const Case& drawn, Side side, const std::set<std::string>& controllers)
        : drawn_(drawn), side_(side), controllers_(controllers) {}

    Host run() {
        add_slices();
        for (unsigned slot = 0; slot < std::min<std::size_t>(drawn_.slots.size(), kMostSlots); ++slot) {
            if (is_present(drawn_.slots[slot])) {
                slots_.push_back(slot);
                host_.partitions.push_back({.name = kNames[slot][drawn_.slots[slot].name % 4]});
            }
        }
        // first what others refer to
        for (std::size_t at = 0; at < slots_.size(); ++at) {
            Draws draws(genes(at, 0x01).head);
            add_head(draws, at);
        }
        for (std::size_t at = 0; at < slots_.size(); ++at) {
            if (host_.partitions[at].has("net")) {
                add_network({genes(at, 0x02).links, genes(at, 0x04).routes, genes(at, 0x08).rules,
                             genes(at, 0x10).forwards, genes(at, 0x20).nat},
                            slots_[at], host_, host_.partitions[at]);
            }
            Draws limits(genes(at, 0x40).limits);
            add_limits(limits, host_.partitions[at].limits, false);
            Draws rest(genes(at, 0x80).rest);
            add_rest(rest, host_.partitions[at], slots_[at]);
            add_admit(rest, host_.partitions[at]);
        }
        return std::move(host_);
    }

private:
    [[nodiscard]] bool is_present(const Slot& slot) const {
        const unsigned presence = slot.presence % 6;
        return presence < 4 || (presence == 4) == (side_ == Side::Before);
    }
    [[nodiscard]] const PartitionGenes& genes(std::size_t at, unsigned section) const {
        const Slot& slot = drawn_.slots[slots_[at]];
        return side_ == Side::After && (slot.changed & section) != 0 ? slot.after : slot.before;
    }

    void add_slices() {
        Draws draws(side_ == Side::Before ? drawn_.slices_before : drawn_.slices_after);
        for (unsigned left = draws.pick(3), number = 0; number < left; ++number) {
            Slice slice{.name = number == 0 ? "s0" : "deep-er", .limits = {}};
            add_limits(draws, slice.limits, true);
            host_.slices.push_back(slice);
        }
    }

    void add_limits(Draws& draws, Limits& limits, bool slice) {
        limits.declared = slice || draws.pick(2) == 1;
        if (!limits.declared) {
            return;
        }
        const auto offered = [&](const char* controller) { return controllers_.contains(controller); };
        // below a slice that has more of everything
        if (draws.pick(2) == 1 && offered("memory")) {
            limits.numbers["memory.max"] = (slice ? 1024L : 64L + draws.pick(4) * 32L) << 20;
        }
        if (draws.pick(2) == 1 && offered("pids")) {
            limits.numbers["pids.max"] = slice ? 1000 : 50 + draws.pick(100);
        }
        if (draws.pick(3) == 2 && offered("cpu")) {
            limits.numbers["cpu.weight"] = 1 + draws.pick(250);
        }
        if (!slice && draws.pick(3) == 2 && offered("cpu")) {
            limits.cpu_percent = 10 + static_cast<int>(draws.pick(190));
        }
        if (!host_.slices.empty() && draws.pick(2) == 1) {
            limits.parent = host_.slices[draws.pick(static_cast<unsigned>(host_.slices.size()))].name;
        }
    }

    void add_head(Draws& draws, std::size_t at) {
        Partition& partition = host_.partitions[at];
        const unsigned kind = draws.pick(16);
        const Partition& first = host_.partitions.front();
        partition.namespaces = {"net"};
        if (kind == 8 || kind == 9 || kind == 15) {
            partition.hostname = kind == 8 ? "box" : "host-" + text(draws.pick(3));
            partition.namespaces.emplace_back("uts");
        } else if (kind == 10 || kind == 11) {
            partition.namespaces.emplace_back(kind == 10 ? "ipc" : "cgroup");
        } else if (kind == 12) {
            partition.namespaces.emplace_back("user");
            partition.user = true;
            partition.first_uid = 100'000 * (slots_[at] + 1) + 10'000 * draws.pick(2);
        } else if (kind == 13) {
            partition.namespaces.emplace_back("pid");
            partition.namespaces.emplace_back("mnt");
        } else if (kind == 14 && at > 0 && first.has("net") && !first.user) {
            partition.namespaces = {"uts"};
            partition.share = first.name;
        }
        if (kind == 15) {
            std::erase(partition.namespaces, "net");
        }
        add_reach(draws, partition);
    }

    void add_reach(Draws& draws, Partition& partition) {
        const unsigned kind = draws.pick(7);
        if (kind < 2) {
            return;
        }
        auto& reach = partition.reach.emplace();
        if (kind == 3 || kind == 6) {
            reach.push_back(limited(draws, "outside"));
        } else if (kind == 4) {
            reach.push_back(limited(draws, "any"));
        }
        const auto& other = host_.partitions[draws.pick(static_cast<unsigned>(host_.partitions.size()))].name;
        if (kind > 4 && other != partition.name) {
            reach.push_back(limited(draws, other));
        }
        if (draws.pick(3) == 0) {
            reach.push_back(
                limited(draws, std::array{"10.0.0.0/8", "fd00::/8", "192.0.2.7/32"}[draws.pick(3)]));
        }
    }

    /// For every packet, or for some alone: ports whose first 16, or 13, bits count, or a protocol.
    static Policy limited(Draws& draws, const std::string& far) {
        return {far, std::array{"", "", "tcp/443", "udp/5000-5007", "tcp"}[draws.pick(5)]};
    }

    /// Needs an address behind the host.
    void add_admit(Draws& draws, Partition& partition) {
        const auto routed = [](const Link& link) {
            return link.partition.empty() && !link.self.addresses.empty();
        };
        const unsigned kind = draws.pick(8);
        if (kind > 3 || std::ranges::none_of(partition.links, routed)) {
            return;
        }
        const auto& other = host_.partitions[draws.pick(static_cast<unsigned>(host_.partitions.size()))].name;
        partition.admit.push_back(
            limited(draws, std::array<std::string, 4>{"outside", "any", other, "10.64.0.0/16"}[kind]));
    }

    static void add_rest(Draws& draws, Partition& partition, unsigned slot) {
        if (partition.has("net")) {
            for (unsigned left = draws.pick(3); left > 0; --left) {
                partition.loopback.push_back(draws.pick(2) == 0
                                                 ? "10.200." + text(slot) + "." + text(left) + "/32"
                                                 : "fd00:200:" + text(slot + 1) + "::" + text(left) + "/128");
            }
            const std::array<std::pair<const char*, std::string>, 4> sysctls = {{
                {"net.ipv4.ip_default_ttl", text(32 + draws.pick(60))},
                {"net.ipv4.tcp_keepalive_time", text(600 + draws.pick(60))},
                {"net.ipv4.ping_group_range", "0 " + text(100 + draws.pick(60))},
                {"net.ipv4.conf.all.log_martians", "1"},
            }};
            for (const auto& [key, value] : sysctls) {
                if (draws.once_in(3)) {
                    partition.sysctls[key] = value;
                }
            }
        }
        Dns& dns = partition.dns;
        if (draws.pick(2) == 0 || !partition.has("net")) {
            return;
        }
        dns.nameservers = {draws.pick(2) == 0 ? "9.9.9.9" : "2620:fe::9"};
        dns.search =
            draws.pick(2) == 0 ? std::vector<std::string>() : std::vector<std::string>{"a.example", "b"};
        dns.options = draws.pick(2) == 0 ? std::vector<std::string>() : std::vector<std::string>{"ndots:2"};
        if (draws.pick(2) == 1) {
            dns.hosts = {{"db", {"10.0.0.1", "fd00::1"}}, {"web-" + text(draws.pick(3)), {"10.0.0.2"}}};
        }
    }

    const Case& drawn_;
    Side side_;
    const std::set<std::string>& controllers_;
    std::vector<unsigned> slots_;  ///< of each partition
    Host host_;
};

}  // namespace

Host build(const Case& drawn, Side side, const std::set<std::string>& controllers) {
    return Builder(drawn, side, controllers).run();
}

}  // namespace partd::test
