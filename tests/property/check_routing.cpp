// SPDX-License-Identifier: Apache-2.0
// Routes and rules, as ip shows them.

#include "../kernel/support/host_view.h"
#include "check_parts.h"

#include <set>
#include <sstream>

namespace partd::test {
namespace {

std::string route_text(const Route& route) {
    std::string to = route.to == "0.0.0.0/0" || route.to == "::/0" ? "default" : route.to;
    for (const std::string whole : {"/32", "/128"}) {
        if (route.v6 == (whole == "/128") && to.ends_with(whole)) {
            to.resize(to.size() - whole.size());
        }
    }
    std::string text = to + " table " + std::to_string(route.table) + " metric " +
                       std::to_string(route.metric.value_or(route.v6 ? 1024 : 0)) + " " +
                       (route.type.empty() ? "unicast" : route.type);
    text += route.src.empty() ? "" : " src " + route.src;
    text += route.mtu == 0 ? "" : " mtu " + std::to_string(route.mtu);
    std::multiset<std::string> ways;
    for (const auto& way : route.ways) {
        ways.insert(" via " + way.via + " dev " + way.dev + " weight " + std::to_string(way.weight));
    }
    for (const auto& way : ways) {
        text += way;
    }
    return text;
}

std::string route_text(const Json& route) {
    const auto table = text_of(route, "table");
    std::string text = text_of(route, "dst") + " table " + (table == "main" || table.empty() ? "254" : table);
    text += " metric " + (route.contains("metric") ? text_of(route, "metric") : "0") + " ";
    const auto type = text_of(route, "type");
    text += type.empty() ? "unicast" : type;
    text += route.contains("prefsrc") ? " src " + text_of(route, "prefsrc") : "";
    for (const auto& metric : route.value("metrics", Json::array())) {
        text += metric.contains("mtu") ? " mtu " + text_of(metric, "mtu") : "";
    }
    std::multiset<std::string> ways;
    const auto add = [&](const Json& way, const std::string& weight) {
        const auto via = way.contains("via") ? text_of(way.at("via"), "host") : text_of(way, "gateway");
        ways.insert(" via " + via + " dev " + text_of(way, "dev") + " weight " + weight);
    };
    for (const auto& way : route.value("nexthops", Json::array())) {
        add(way, text_of(way, "weight"));
    }
    if (ways.empty() && (type == "unicast" || type.empty())) {
        add(route, "1");
    }
    for (const auto& way : ways) {
        text += way;
    }
    return text;
}

/// Of a whole family nothing is shown.
std::string selector(const std::string& prefix) {
    return prefix.ends_with("/0") ? "" : prefix;
}

std::string rule_text(const Rule& rule) {
    const auto from = selector(rule.from);
    const auto to = selector(rule.to);
    const auto mark = [&] {
        std::ostringstream hex;
        hex << " fwmark 0x" << std::hex << rule.fwmark;
        return rule.fwmark == 0 ? "" : hex.str();
    };
    return std::to_string(rule.priority) + " from " + (from.empty() ? "all" : from) +
           (to.empty() ? "" : " to " + to) + (rule.iif.empty() ? "" : " iif " + rule.iif) +
           (rule.oif.empty() ? "" : " oif " + rule.oif) + mark() + " table " + std::to_string(rule.table);
}
std::string rule_text(const Json& rule) {
    const auto prefix = [&](const char* ip, const char* length) {
        return text_of(rule, ip) + (rule.contains(length) ? "/" + text_of(rule, length) : "");
    };
    const auto word = [&](const char* key) {
        return rule.contains(key) ? " " + std::string(key) + " " + text_of(rule, key) : "";
    };
    const auto table = text_of(rule, "table");
    return text_of(rule, "priority") + " from " + prefix("src", "srclen") +
           (rule.contains("dst") ? " to " + prefix("dst", "dstlen") : "") + word("iif") + word("oif") +
           word("fwmark") + " table " + (table == "main" ? "254" : table);
}

void compare_rules(const Partition& partition, int netns, Differences& differences) {
    for (const bool v6 : {false, true}) {
        std::set<std::string> wanted;
        for (const auto& rule : partition.rules) {
            if (v6 ? rule.v6 : rule.v4) {
                wanted.insert(rule_text(rule));
            }
        }
        std::set<std::string> found;
        for (const auto& rule :
             json({"ip", v6 ? "-6" : "-4", "-j", "-d", "rule"}, {.input = {}, .netns = netns})) {
            if (text_of(rule, "protocol") == "112") {
                found.insert(rule_text(rule));
            }
        }
        compare((v6 ? "IPv6 rule of " : "rule of ") + partition.name, wanted, found, differences);
    }
}

void compare_routes(const Partition& partition, int netns, Differences& differences) {
    for (const bool v6 : {false, true}) {
        std::set<std::string> wanted;
        for (const auto& route : partition.routes) {
            if (route.v6 == v6) {
                wanted.insert(route_text(route));
            }
        }
        std::set<std::string> found;
        for (const auto& route : json({"ip", v6 ? "-6" : "-4", "-j", "-d", "route", "show", "table", "all"},
                                      {.input = {}, .netns = netns})) {
            if (text_of(route, "protocol") == "112") {
                found.insert(route_text(route));
            }
        }
        compare("route of " + partition.name, wanted, found, differences);
    }
}

}  // namespace

std::string text_of(const Json& object, const char* key) {
    if (!object.contains(key)) {
        return "";
    }
    const Json& value = object.at(key);
    return value.is_string() ? value.get<std::string>() : value.dump();
}

void compare_routing(const Partition& wanted, int netns, Differences& differences) {
    compare_routes(wanted, netns, differences);
    compare_rules(wanted, netns, differences);
}

}  // namespace partd::test
