// From bytes to a host that is valid by construction: every partition has address ranges, ports and host ends
// of its own, and each object refers only to what the same side of the case has.

#include "genes.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace partd::test {
namespace {

/// Takes choices off a stream; behind its end all are 0.
class Draws {
public:
    explicit Draws(const Stream& stream) : stream_(stream) {}
    unsigned pick(unsigned number) { return at_ < stream_.size() ? stream_[at_++] % number : 0; }
    /// True once in so many times.
    bool once_in(unsigned number) { return pick(number) == number - 1; }

private:
    const Stream& stream_;
    std::size_t at_ = 0;
};

std::string text(unsigned number) {
    return std::to_string(number);
}

constexpr std::array kNames = {
    std::array{"web", "a-b-c", "w_1", "an-uncommonly-long-name-of-a-partition-that-has-64-characters-xy"},
    std::array{"db", "0", "x--y", "long-name-of-a-partition"},
    std::array{"p", "vpn-de", "z9", "q_q"},
    std::array{"last", "k8s-node", "t-1", "abcdefghijkl"},
};
constexpr unsigned kMostSlots = kNames.size();
constexpr std::array kLinkNames = {"eth0",           "lan", "x\"y", "a.b-c_d", "z'\\", "\xc3\xbcn\xc3\xaf",
                                   "averylongname15"};
constexpr std::array kEndings = {"", "-x", ".y", "\"q", "\xc3\xa9"};

/// The network of a link: of a length, so that its ends and gateways behind it fit.
struct Network {
    unsigned slot = 0;
    unsigned link = 0;

    [[nodiscard]] std::string host(bool v6, unsigned number) const {
        return v6 ? "fd00:" + text(slot + 1) + ":" + text(link + 1) + "::" + text(number)
                  : "10." + text(100 + slot) + "." + text(link) + "." + text(number);
    }
};

void add_addresses(Draws& draws, const Network& network, unsigned first,
                   std::vector<std::string>& addresses) {
    constexpr std::array kLengths4 = {"/24", "/28", "/25"};
    constexpr std::array kLengths6 = {"/64", "/80"};
    std::set<std::string> seen;
    for (unsigned left = draws.pick(4); left > 0; --left) {
        const bool v6 = draws.pick(2) == 1;
        const auto host = network.host(v6, first + draws.pick(4));
        const std::string length = v6 ? kLengths6[draws.pick(2)] : kLengths4[draws.pick(3)];
        if (seen.insert(host).second) {
            addresses.push_back(host + length);
        }
    }
}

std::optional<int> draw_mtu(Draws& draws) {
    constexpr std::array kSizes = {0, 0, 1400, 9000, 1280, 65535};
    const int size = kSizes[draws.pick(kSizes.size())];
    return size == 0 ? std::nullopt : std::optional(size);
}

std::string ip_of(const std::string& address) {
    return address.substr(0, address.find('/'));
}
bool is_v6(const std::string& address) {
    return address.find(':') != std::string::npos;
}

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
            add_network(at);
            Draws limits(genes(at, 0x40).limits);
            add_limits(limits, host_.partitions[at].limits, false);
            Draws rest(genes(at, 0x80).rest);
            add_rest(rest, host_.partitions[at], slots_[at]);
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
            reach.emplace_back("outside");
        } else if (kind == 4) {
            reach.emplace_back("any");
        }
        const auto& other = host_.partitions[draws.pick(static_cast<unsigned>(host_.partitions.size()))].name;
        if (kind > 4 && other != partition.name) {
            reach.push_back(other);
        }
    }

    void add_network(std::size_t at) {
        Partition& partition = host_.partitions[at];
        if (!partition.has("net")) {
            return;
        }
        const auto& links = genes(at, 0x02).links;
        for (unsigned number = 0; number < links.size(); ++number) {
            Draws draws(links[number]);
            add_link(draws, partition, {slots_[at], number});
        }
        const auto& routes = genes(at, 0x04).routes;
        std::set<std::tuple<std::string, int, int>> taken;
        for (const auto& each : routes) {
            Draws draws(each);
            add_route(draws, partition, taken);
        }
        const auto& rules = genes(at, 0x08).rules;
        for (unsigned number = 0; number < rules.size(); ++number) {
            Draws draws(rules[number]);
            add_rule(draws, partition, slots_[at], number);
        }
        add_nat(at);
    }

    void add_link(Draws& draws, Partition& partition, const Network& network) {
        Link link;
        const unsigned name = draws.pick(4) == 3 ? draws.pick(kLinkNames.size()) : network.link;
        link.self.name = kLinkNames[name];
        const auto same = [&](const Link& other) { return other.self.name == link.self.name; };
        if (std::ranges::any_of(partition.links, same)) {
            link.self.name = "l" + text(network.link);
        }
        const unsigned peer = draws.pick(6);
        const auto& other = host_.partitions[draws.pick(static_cast<unsigned>(host_.partitions.size()))];
        if (peer > 3 && other.name != partition.name && other.has("net")) {
            link.partition = other.name;
            link.peer.name = "p" + text(network.slot) + text(network.link);
        } else if (peer != 0 || std::ranges::any_of(partition.links, [](const Link& each) {
                       return each.partition.empty() && each.peer.name.empty();
                   })) {
            link.peer.name =
                "h" + text(network.slot) + text(network.link) + kEndings[draws.pick(kEndings.size())];
        }
        add_addresses(draws, network, 1, link.self.addresses);
        add_addresses(draws, network, 6, link.peer.addresses);
        add_attributes(draws, link, network);
        partition.links.push_back(link);
    }

    static void add_attributes(Draws& draws, Link& link, const Network& network) {
        link.self.mtu = draw_mtu(draws);
        link.peer.mtu = draw_mtu(draws);
        const unsigned up = draws.pick(6);
        if (up > 3) {
            link.up = up == 4;
        }
        const std::string own = ":0" + text(network.slot) + ":0" + text(network.link) + ":0";
        if (draws.once_in(3)) {
            link.self.mac = "02:00:00" + own + text(draws.pick(4));
        }
        if (draws.once_in(3)) {
            link.peer.mac = "06:00:00" + own + text(draws.pick(4));
        }
        constexpr std::array kAliases = {"", "", "", "uplink", "a \"b\" \xc3\xa9", "partd:x/y"};
        link.alias = kAliases[draws.pick(kAliases.size())];
    }

    /// A way over one of the partition's links, which is up and has an address of that family.
    static std::vector<std::pair<const Link*, std::string>> ways(const Partition& partition, bool v6) {
        std::vector<std::pair<const Link*, std::string>> all;
        for (const Link& link : partition.links) {
            for (const auto& address : link.self.addresses) {
                if (link.up.value_or(true) && is_v6(address) == v6) {
                    all.emplace_back(&link, address);
                }
            }
        }
        return all;
    }

    static std::string gateway(const std::string& address, unsigned number) {
        return address.substr(0, address.find_last_of(is_v6(address) ? ':' : '.') + 1) + text(number);
    }

    static void add_route(Draws& draws, Partition& partition,
                          std::set<std::tuple<std::string, int, int>>& taken) {
        Route route;
        route.v6 = draws.pick(2) == 1;
        const unsigned to = draws.pick(4);
        const unsigned number = draws.pick(3);
        route.to = route.v6
                       ? std::array{std::string("::/0"), std::string("fd77::/32"),
                                    "fd78:" + text(number + 1) + "::/48", std::string("2001:db8::9/128")}[to]
                       : std::array{std::string("0.0.0.0/0"), std::string("192.168.0.0/16"),
                                    "172.16." + text(number) + ".0/24", std::string("198.51.100.9/32")}[to];
        constexpr std::array kMetrics = {0, 0, 5, 1024, 50};
        if (const int metric = kMetrics[draws.pick(kMetrics.size())]; metric != 0) {
            route.metric = metric;
        }
        route.table = std::array{254, 254, 100, 200}[draws.pick(4)];
        const auto over = ways(partition, route.v6);
        const unsigned kind = draws.pick(6);
        if (kind == 4 || over.empty()) {
            route.type = std::array{"blackhole", "unreachable", "prohibit"}[draws.pick(3)];
        } else {
            add_ways(draws, route, kind, over);
        }
        const int metric = route.metric.value_or(route.v6 ? 1024 : 0);
        if (taken.insert({route.to, metric, route.table}).second) {
            partition.routes.push_back(route);
        }
    }

    static void add_ways(Draws& draws, Route& route, unsigned kind,
                         const std::vector<std::pair<const Link*, std::string>>& over) {
        const auto most = static_cast<unsigned>(over.size());
        for (unsigned left = kind == 5 ? 2 : 1; left > 0; --left) {
            const auto& [link, address] = over[draws.pick(most)];
            Way way{.via = gateway(address, (left == 2 ? 10 : 12) + draws.pick(2)),
                    .dev = link->self.name,
                    .weight = kind == 5 ? 1 + static_cast<int>(draws.pick(3)) : 1};
            if (kind == 3) {
                way.via.clear();
            }
            route.ways.push_back(way);
        }
        if (draws.once_in(4) && kind < 3) {
            route.src = ip_of(over[draws.pick(most)].second);
        }
        if (draws.once_in(4)) {
            route.mtu = 1300;
        }
    }

    static void add_rule(Draws& draws, Partition& partition, unsigned slot, unsigned number) {
        Rule rule;
        const unsigned family = draws.pick(3);
        rule.v6 = family != 0;
        rule.v4 = family != 1;
        if (family < 2) {
            rule.from = rule.v6 ? "fd00:" + text(slot + 1) + "::/32" : "10." + text(100 + slot) + ".0.0/16";
            rule.to = draws.pick(2) == 0 ? "" : rule.v6 ? "fd77::/32" : "192.168.0.0/16";
        }
        const auto link = [&]() -> std::string {
            const auto most = static_cast<unsigned>(partition.links.size());
            return most == 0 ? "lo" : partition.links[draws.pick(most)].self.name;
        };
        rule.iif = draws.once_in(3) ? link() : "";
        rule.oif = draws.once_in(3) ? link() : "";
        rule.fwmark = static_cast<int>(draws.pick(3) * 7);
        if (family == 2 && rule.iif.empty() && rule.oif.empty() && rule.fwmark == 0) {
            rule.fwmark = 1;
        }
        rule.table = std::array{254, 100, 200}[draws.pick(3)];
        rule.priority = static_cast<int>(2000 + 10 * number + draws.pick(3));
        partition.rules.push_back(rule);
    }

    void add_nat(std::size_t at) {
        Partition& partition = host_.partitions[at];
        std::vector<std::string> inside;
        for (const Link& link : partition.links) {
            if (link.partition.empty()) {
                inside.insert(inside.end(), link.self.addresses.begin(), link.self.addresses.end());
            }
        }
        Draws draws(genes(at, 0x20).nat);
        const bool masquerade = draws.pick(2) == 1;
        partition.masquerade = masquerade && !inside.empty();
        for (unsigned left = draws.pick(3); left > 0; --left) {
            add_translation(draws, partition, slots_[at], left);
        }
        const auto& forwards = genes(at, 0x10).forwards;
        for (unsigned number = 0; number < forwards.size() && !inside.empty(); ++number) {
            Draws each(forwards[number]);
            add_forward(each, partition, inside, 1000 * (slots_[at] + 1) + 20 * number);
        }
    }

    static void add_translation(Draws& draws, Partition& partition, unsigned slot, unsigned number) {
        const bool v6 = draws.pick(2) == 1;
        Translation each;
        each.source = v6 ? "fd0a:" + text(slot + 1) + ":" + text(number) + "::/48"
                         : "10." + text(210 + slot) + "." + text(number) + ".0/24";
        each.out = draws.pick(2) == 1 ? "up0" : "";
        if (draws.pick(2) == 1 || partition.masquerade) {
            each.to = (v6 ? "2001:db8:0:1::" : "203.0.113.") + text(10 + draws.pick(5));
        }
        partition.translations.push_back(each);
    }

    static void add_forward(Draws& draws, Partition& partition, const std::vector<std::string>& inside,
                            unsigned port) {
        Forward forward;
        const auto& to = inside[draws.pick(static_cast<unsigned>(inside.size()))];
        forward.v6 = is_v6(to);
        forward.to = ip_of(to);
        forward.protocol = draws.pick(2) == 0 ? "tcp" : "udp";
        forward.first = static_cast<int>(port + draws.pick(5));
        forward.count = 1 + static_cast<int>(draws.pick(3));
        forward.to_port = 80 + static_cast<int>(draws.pick(3));
        if (draws.pick(2) == 1) {
            forward.address = forward.v6 ? "2001:db8::7" : "203.0.113.7";
        }
        if (draws.pick(2) == 1) {
            forward.from = forward.v6 ? "2001:db8:1::/48" : "198.51.0.0/16";
        }
        partition.forwards.push_back(forward);
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
