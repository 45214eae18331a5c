// SPDX-License-Identifier: Apache-2.0
// The network of a partition: what it has stands in ranges of its own, and refers to what is there.

#include "draws.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace partd::test {
namespace {

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

void add_attributes(Draws& draws, Link& link, const Network& network) {
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

void add_link(Draws& draws, const Host& host, Partition& partition, const Network& network) {
    Link link;
    const unsigned name = draws.pick(4) == 3 ? draws.pick(kLinkNames.size()) : network.link;
    link.self.name = kLinkNames[name];
    const auto same = [&](const Link& other) { return other.self.name == link.self.name; };
    if (std::ranges::any_of(partition.links, same)) {
        link.self.name = "l" + text(network.link);
    }
    const unsigned peer = draws.pick(6);
    const auto& other = host.partitions[draws.pick(static_cast<unsigned>(host.partitions.size()))];
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

/// A way over one of the partition's links, which is up and has an address of that family.
std::vector<std::pair<const Link*, std::string>> ways(const Partition& partition, bool v6) {
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

std::string gateway(const std::string& address, unsigned number) {
    return address.substr(0, address.find_last_of(is_v6(address) ? ':' : '.') + 1) + text(number);
}

void add_ways(Draws& draws, Route& route, unsigned kind,
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

void add_route(Draws& draws, Partition& partition, std::set<std::tuple<std::string, int, int>>& taken) {
    Route route;
    route.v6 = draws.pick(2) == 1;
    const unsigned to = draws.pick(4);
    const unsigned number = draws.pick(3);
    route.to = route.v6 ? std::array{std::string("::/0"), std::string("fd77::/32"),
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

void add_rule(Draws& draws, Partition& partition, unsigned slot, unsigned number) {
    Rule rule;
    const unsigned family = draws.pick(3);
    rule.v6 = family != 0;
    rule.v4 = family != 1;
    if (family < 2) {
        rule.from = rule.v6 ? "fd00:" + text(slot + 1) + "::/32" : "10." + text(100 + slot) + ".0.0/16";
        rule.to = draws.pick(2) == 0 ? "" : rule.v6 ? "fd77::/32" : "192.168.0.0/16";
        const std::string whole = rule.v6 ? "::/0" : "0.0.0.0/0";
        rule.from = draws.once_in(4) ? whole : rule.from;
        rule.to = draws.once_in(4) ? whole : rule.to;
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

void add_translation(Draws& draws, Partition& partition, unsigned slot, unsigned number) {
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

void add_forward(Draws& draws, Partition& partition, const std::vector<std::string>& inside, unsigned port) {
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

void add_nat(const NetworkGenes& genes, unsigned slot, Partition& partition) {
    std::vector<std::string> inside;
    for (const Link& link : partition.links) {
        if (link.partition.empty()) {
            inside.insert(inside.end(), link.self.addresses.begin(), link.self.addresses.end());
        }
    }
    Draws draws(genes.nat);
    const bool masquerade = draws.pick(2) == 1;
    partition.masquerade = masquerade && !inside.empty();
    for (unsigned left = draws.pick(3); left > 0; --left) {
        add_translation(draws, partition, slot, left);
    }
    const auto& forwards = genes.forwards;
    for (unsigned number = 0; number < forwards.size() && !inside.empty(); ++number) {
        Draws each(forwards[number]);
        add_forward(each, partition, inside, 1000 * (slot + 1) + 20 * number);
    }
}

}  // namespace

void add_network(const NetworkGenes& genes, unsigned slot, const Host& host, Partition& partition) {
    for (unsigned number = 0; number < genes.links.size(); ++number) {
        Draws draws(genes.links[number]);
        add_link(draws, host, partition, {slot, number});
    }
    std::set<std::tuple<std::string, int, int>> taken;
    for (const auto& each : genes.routes) {
        Draws draws(each);
        add_route(draws, partition, taken);
    }
    for (unsigned number = 0; number < genes.rules.size(); ++number) {
        Draws draws(genes.rules[number]);
        add_rule(draws, partition, slot, number);
    }
    add_nat(genes, slot, partition);
}

}  // namespace partd::test
