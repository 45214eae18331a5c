// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <algorithm>
#include <cstdio>

namespace partd::test {
namespace {

std::string quoted(const std::string& text) {
    std::string all = "\"";
    for (const char each : text) {
        all += each == '"' || each == '\\' ? std::string("\\") + each : std::string(1, each);
    }
    return all + "\"";
}

std::string list(const std::vector<std::string>& texts) {
    std::string all;
    for (const auto& text : texts) {
        all += (all.empty() ? "" : ", ") + quoted(text);
    }
    return "[" + all + "]";
}

/// "key = value" lines of one table; what is empty is left out.
class Table {
public:
    explicit Table(const std::string& head) : text_(head + "\n") {}

    Table& raw(const std::string& key, const std::string& value) {
        text_ += key + " = " + value + "\n";
        return *this;
    }
    Table& text(const std::string& key, const std::string& value) {
        return value.empty() ? *this : raw(key, quoted(value));
    }
    Table& texts(const std::string& key, const std::vector<std::string>& values) {
        return values.empty() ? *this : raw(key, list(values));
    }
    Table& number(const std::string& key, const std::optional<int>& value) {
        return value ? raw(key, std::to_string(*value)) : *this;
    }
    [[nodiscard]] const std::string& done() const { return text_; }

private:
    std::string text_;
};

std::string peer_of(const Link& link) {
    std::string all;
    const auto add = [&](const std::string& key, const std::string& value) {
        all += (all.empty() ? "" : ", ") + key + " = " + value;
    };
    if (!link.partition.empty()) {
        add("partition", quoted(link.partition));
    }
    if (!link.peer.name.empty()) {
        add("name", quoted(link.peer.name));
    }
    if (!link.peer.addresses.empty()) {
        add("address", list(link.peer.addresses));
    }
    if (!link.peer.mac.empty()) {
        add("mac", quoted(link.peer.mac));
    }
    if (link.peer.mtu) {
        add("mtu", std::to_string(*link.peer.mtu));
    }
    return "{ " + all + " }";
}

std::string link_table(const std::string& partition, const Link& link) {
    Table table("[partition." + partition + ".link." + quoted(link.self.name) + "]");
    table.texts("address", link.self.addresses).number("mtu", link.self.mtu).text("mac", link.self.mac);
    table.text("alias", link.alias);
    if (link.up) {
        table.raw("up", *link.up ? "true" : "false");
    }
    return table.raw("peer", peer_of(link)).done();
}

std::string way_text(const Way& way) {
    std::string all = way.via.empty() ? "" : "via = " + quoted(way.via) + ", ";
    return "{ " + all + "dev = " + quoted(way.dev) + ", weight = " + std::to_string(way.weight) + " }";
}

std::string route_table(const std::string& partition, const Route& route) {
    Table table("[[partition." + partition + ".route]]");
    table.text("to", route.to).text("type", route.type).text("src", route.src).number("metric", route.metric);
    if (route.table != 254) {
        table.number("table", route.table);
    }
    if (route.mtu != 0) {
        table.number("mtu", route.mtu);
    }
    if (route.ways.size() == 1) {
        table.text("via", route.ways[0].via).text("dev", route.ways[0].dev);
    } else if (!route.ways.empty()) {
        table.raw("nexthop", "[" + way_text(route.ways[0]) + ", " + way_text(route.ways[1]) + "]");
    }
    return table.done();
}

std::string rule_table(const std::string& partition, const Rule& rule) {
    Table table("[[partition." + partition + ".rule]]");
    table.text("from", rule.from).text("to", rule.to).text("iif", rule.iif).text("oif", rule.oif);
    if (rule.fwmark != 0) {
        table.number("fwmark", rule.fwmark);
    }
    if (rule.table != 254) {
        table.number("table", rule.table);
    }
    return table.number("priority", rule.priority).done();
}

std::string forward_table(const std::string& partition, const Forward& forward) {
    const auto port = std::to_string(forward.first);
    const auto last = forward.count > 1 ? "-" + std::to_string(forward.first + forward.count - 1) : "";
    const auto host = forward.v6 ? "[" + forward.to + "]" : forward.to;
    Table table("[[partition." + partition + ".nat.forward]]");
    table.text("listen", forward.protocol + "/" + port + last)
        .text("to", host + ":" + std::to_string(forward.to_port));
    if (!forward.address.empty()) {
        table.texts("address", {forward.address});
    }
    if (!forward.from.empty()) {
        table.texts("from", {forward.from});
    }
    return table.done();
}

std::string nat_table(const Partition& partition) {
    Table table("[partition." + partition.name + ".nat]");
    std::string masquerade;
    std::string snat;
    for (const auto& each : partition.translations) {
        auto& all = each.to.empty() ? masquerade : snat;
        all += (all.empty() ? "" : ", ") + ("{ source = " + quoted(each.source));
        all += each.to.empty() ? "" : ", to = " + quoted(each.to);
        all += (each.out.empty() ? "" : ", out = " + quoted(each.out)) + " }";
    }
    if (partition.masquerade) {
        table.raw("masquerade", "true");
    } else if (!masquerade.empty()) {
        table.raw("masquerade", "[" + masquerade + "]");
    }
    if (!snat.empty()) {
        table.raw("snat", "[" + snat + "]");
    }
    return table.done();
}

std::string limits_table(const std::string& head, const Limits& limits) {
    Table table(head);
    for (const auto& [key, value] : limits.numbers) {
        table.raw(key, std::to_string(value));
    }
    if (limits.cpu_percent != 0) {
        table.text("cpu.max", std::to_string(limits.cpu_percent) + "%");
    }
    return table.text("parent", limits.parent).done();
}

std::string dns_table(const Partition& partition) {
    const Dns& dns = partition.dns;
    Table table("[partition." + partition.name + ".dns]");
    table.texts("nameserver", dns.nameservers).texts("search", dns.search).texts("options", dns.options);
    std::string hosts;
    for (const auto& [name, addresses] : dns.hosts) {
        hosts += (hosts.empty() ? "" : ", ") + quoted(name) + " = " + list(addresses);
    }
    return hosts.empty() ? table.done() : table.raw("hosts", "{ " + hosts + " }").done();
}

std::string policies(const std::vector<Policy>& all, const std::string& key) {
    std::string text;
    for (const auto& each : all) {
        text += text.empty() ? "[" : ", ";
        text += each.match.empty()
                    ? quoted(each.far)
                    : "{ " + key + " = " + quoted(each.far) + ", match = " + quoted(each.match) + " }";
    }
    return all.empty() ? "[]" : text + "]";
}

std::string partition_head(const Partition& partition) {
    Table table("[partition." + partition.name + "]");
    table.raw("namespaces", list(partition.namespaces)).text("hostname", partition.hostname);
    table.text("stop_timeout", "2s");
    if (!partition.share.empty()) {
        table.raw("share", "{ partition = " + quoted(partition.share) + ", namespaces = [\"net\"] }");
    }
    if (partition.reach) {
        table.raw("reach", policies(*partition.reach, "to"));
    }
    if (!partition.admit.empty()) {
        table.raw("admit", policies(partition.admit, "from"));
    }
    std::string text = table.done();
    if (partition.user) {
        text += "[partition." + partition.name +
                ".user]\nuid_map = [{ inside = 0, outside = " + std::to_string(partition.first_uid) +
                ", count = 1000 }]\n";
    }
    return text;
}

std::string partition_text(const Partition& partition) {
    std::string text = partition_head(partition);
    for (const auto& link : partition.links) {
        text += link_table(partition.name, link);
    }
    if (!partition.loopback.empty()) {
        text += "[partition." + partition.name + ".link.lo]\naddress = " + list(partition.loopback) + "\n";
    }
    for (const auto& route : partition.routes) {
        text += route_table(partition.name, route);
    }
    for (const auto& rule : partition.rules) {
        text += rule_table(partition.name, rule);
    }
    if (partition.masquerade || !partition.translations.empty()) {
        text += nat_table(partition);
    }
    for (const auto& forward : partition.forwards) {
        text += forward_table(partition.name, forward);
    }
    if (!partition.sysctls.empty()) {
        text += "[partition." + partition.name + ".sysctl]\n";
    }
    for (const auto& [key, value] : partition.sysctls) {
        text += key + " = " + quoted(value) + "\n";
    }
    if (partition.limits.declared) {
        text += limits_table("[partition." + partition.name + ".cgroup]", partition.limits);
    }
    const Dns& dns = partition.dns;
    if (!dns.nameservers.empty() || !dns.search.empty() || !dns.options.empty() || !dns.hosts.empty()) {
        text += dns_table(partition);
    }
    return text;
}

}  // namespace

std::string toml(const Host& host) {
    std::string text = "# what was drawn\n";  // an empty file is an error
    for (const auto& slice : host.slices) {
        text += limits_table("[slice." + slice.name + "]", slice.limits) + "\n";
    }
    for (const auto& partition : host.partitions) {
        text += partition_text(partition) + "\n";
    }
    return text;
}

bool Partition::has(const std::string& type) const {
    return std::ranges::find(namespaces, type) != namespaces.end();
}

const Partition* Host::find(const std::string& name) const {
    const auto found = std::ranges::find(partitions, name, &Partition::name);
    return found == partitions.end() ? nullptr : &*found;
}

std::string host_end(const Partition& partition, const Link& link) {
    constexpr std::size_t kMost = 15;
    const std::string usual = "pv-" + partition.name;
    return !link.peer.name.empty() ? link.peer.name : usual.size() <= kMost ? usual : "";
}

}  // namespace partd::test
