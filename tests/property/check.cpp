#include "check.h"

#include "../kernel/host_view.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}
std::string text_of(const Json& object, const char* key) {
    return object.contains(key) ? text_of(object.at(key)) : "";
}

/// One end of a link as it is wanted, with its partition's name ("" for the host's) and what its alias holds.
struct WantedEnd {
    End end = {};
    bool up = true;
    std::string alias = {};
    std::string altname = {};  ///< that it is known by where partd made up its name
    bool ours = true;          ///< false for lo
};
using WantedEnds = std::vector<WantedEnd>;

class Comparison {
public:
    Comparison(const Host& wanted, Sandbox& sandbox, const Doubt& doubt)
        : wanted_(wanted), sandbox_(sandbox), doubt_(doubt) {}

    std::vector<std::string> run() {
        collect_ends();
        compare_names();
        for (const auto& partition : wanted_.partitions) {
            if (partition.has("net") && fs::exists("/run/netns/" + partition.name)) {
                const Netns netns("/run/netns/" + partition.name);
                compare_links(partition.name, netns.fd());
                compare_routes(partition, netns.fd());
                compare_rules(partition, netns.fd());
                compare_sysctls(partition, netns.fd());
            }
            compare_dns(partition);
            compare_uts(partition);
        }
        compare_links("", kHere);
        compare_cgroups();
        const auto more = nftables_differences(wanted_, made_up_);
        all_.insert(all_.end(), more.begin(), more.end());
        return std::move(all_);
    }

private:
    void collect_ends() {
        for (const auto& partition : wanted_.partitions) {
            if (partition.has("net")) {
                ends_[partition.name].push_back(
                    {.end = {.name = "lo", .addresses = partition.loopback, .mtu = {}, .mac = ""},
                     .ours = false});
            }
            for (const auto& link : partition.links) {
                const bool up = link.up.value_or(true);
                ends_[partition.name].push_back({.end = link.self, .up = up, .alias = link.alias});
                WantedEnd peer{.end = link.peer, .up = up};
                peer.end.mtu = link.peer.mtu ? link.peer.mtu : link.self.mtu;
                if (link.partition.empty()) {
                    peer.end.name = host_end(partition, link);
                    peer.altname = peer.end.name.empty() ? "pv-" + partition.name : "";
                }
                ends_[link.partition].push_back(peer);
            }
        }
    }

    void compare_names() {
        std::set<std::string> names;
        std::set<std::string> others;
        for (const auto& partition : wanted_.partitions) {
            for (const auto& type : partition.namespaces) {
                (type == "net" ? names : others)
                    .insert(type == "net" ? partition.name : partition.name + "/" + type);
            }
        }
        std::set<std::string> found_names;
        for (const auto& name : netns_names()) {
            if (!name.starts_with("fx-")) {
                found_names.insert(name);
            }
        }
        std::set<std::string> found;
        std::error_code absent;
        for (const auto& entry : fs::recursive_directory_iterator("/run/partd/ns", absent)) {
            if (!entry.is_directory()) {
                found.insert(fs::relative(entry.path(), "/run/partd/ns"));
            }
        }
        compare("name in /run/netns", names, found_names, all_);
        compare("name in /run/partd/ns", others, found, all_);
    }

    static const Json* find_link(const Json& links, const WantedEnd& wanted) {
        for (const auto& link : links) {
            const auto altnames = link.value("altnames", Json::array());
            const bool known = !wanted.altname.empty() &&
                               std::ranges::find(altnames, Json(wanted.altname)) != altnames.end();
            if (known || link.value("ifname", "") == wanted.end.name) {
                return &link;
            }
        }
        return nullptr;
    }

    void compare_links(const std::string& where, int netns) {
        const auto links = json({"ip", "-j", "-d", "addr"}, {.input = {}, .netns = netns});
        std::set<std::string> wanted_names;
        for (const auto& wanted : ends_[where]) {
            const Json* found = find_link(links, wanted);
            const auto name = where + "/" + (wanted.end.name.empty() ? wanted.altname : wanted.end.name);
            if (found == nullptr) {
                all_.push_back("- link " + name);
                continue;
            }
            wanted_names.insert(found->at("ifname"));
            if (!wanted.altname.empty()) {
                made_up_[wanted.altname.substr(3)] = found->at("ifname");
            }
            compare_end(name, wanted, *found);
        }
        for (const auto& link : links) {
            const auto name = link.value("ifname", "");
            const bool ours = link.value("ifalias", "").starts_with("partd:") || !where.empty();
            if (ours && !wanted_names.contains(name) && !name.starts_with("fx")) {
                all_.push_back("+ link " + where + "/" + name + ", which is not declared");
            }
        }
    }

    void compare_end(const std::string& name, const WantedEnd& wanted, const Json& found) {
        const auto& flags = found.at("flags");
        if ((std::ranges::find(flags, Json("UP")) != flags.end()) != wanted.up) {
            all_.push_back(name + " is " + (wanted.up ? "down" : "up"));
        }
        if (wanted.end.mtu && found.at("mtu") != *wanted.end.mtu) {
            all_.push_back(name + " has MTU " + found.at("mtu").dump() + " instead of " +
                           std::to_string(*wanted.end.mtu));
        }
        if (!wanted.end.mac.empty() && found.at("address") != wanted.end.mac) {
            all_.push_back(name + " has the hardware address " + found.at("address").dump() + " instead of " +
                           wanted.end.mac);
        }
        const auto alias = found.value("ifalias", "");
        if (wanted.ours && (!alias.starts_with("partd:") ||
                            (!wanted.alias.empty() && !alias.ends_with(" " + wanted.alias)))) {
            all_.push_back(name + " has the alias \"" + alias + "\" instead of \"partd:… " + wanted.alias +
                           "\"");
        }
        std::set<std::string> addresses;
        for (const auto& each : found.at("addr_info")) {
            const auto address = text_of(each, "local") + "/" + text_of(each, "prefixlen");
            const bool usual = address == "127.0.0.1/8" || address == "::1/128";
            const auto local = text_of(each, "local");
            if (!usual && !local.starts_with("fe80:") && !local.starts_with("192.0.2.")) {
                addresses.insert(address);
            }
        }
        compare("address of " + name, {wanted.end.addresses.begin(), wanted.end.addresses.end()}, addresses,
                all_);
    }

    static std::string route_text(const Route& route) {
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

    static std::string route_text(const Json& route) {
        const auto table = text_of(route, "table");
        std::string text =
            text_of(route, "dst") + " table " + (table == "main" || table.empty() ? "254" : table);
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

    void compare_routes(const Partition& partition, int netns) {
        for (const bool v6 : {false, true}) {
            std::set<std::string> wanted;
            for (const auto& route : partition.routes) {
                if (route.v6 == v6) {
                    wanted.insert(route_text(route));
                }
            }
            std::set<std::string> found;
            for (const auto& route :
                 json({"ip", v6 ? "-6" : "-4", "-j", "-d", "route", "show", "table", "all"},
                      {.input = {}, .netns = netns})) {
                if (text_of(route, "protocol") == "112") {
                    found.insert(route_text(route));
                }
            }
            compare("route of " + partition.name, wanted, found, all_);
        }
    }

    static std::string rule_text(const Rule& rule) {
        const auto mark = [&] {
            std::ostringstream hex;
            hex << " fwmark 0x" << std::hex << rule.fwmark;
            return rule.fwmark == 0 ? "" : hex.str();
        };
        return std::to_string(rule.priority) + " from " + (rule.from.empty() ? "all" : rule.from) +
               (rule.to.empty() ? "" : " to " + rule.to) + (rule.iif.empty() ? "" : " iif " + rule.iif) +
               (rule.oif.empty() ? "" : " oif " + rule.oif) + mark() + " table " + std::to_string(rule.table);
    }
    static std::string rule_text(const Json& rule) {
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

    void compare_rules(const Partition& partition, int netns) {
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
            compare((v6 ? "IPv6 rule of " : "rule of ") + partition.name, wanted, found, all_);
        }
    }

    void compare_sysctls(const Partition& partition, int netns) {
        static const std::map<std::string, std::string> kUsual = {{"net.ipv4.ip_default_ttl", "64"},
                                                                  {"net.ipv4.tcp_keepalive_time", "7200"},
                                                                  {"net.ipv4.conf.all.log_martians", "0"}};
        for (const auto& [key, value] : partition.sysctls) {
            auto found = sysctl(key, netns);
            std::ranges::replace(found, '\t', ' ');
            if (found != value) {
                all_.push_back(partition.name + " has " + key + " = " + found + " instead of " + value);
            }
        }
        for (const auto& [key, value] : kUsual) {
            if (!partition.sysctls.contains(key) && !doubt_.former_values && sysctl(key, netns) != value) {
                all_.push_back(partition.name + " still has " + key + " = " + sysctl(key, netns) +
                               ", which no file declares; it was " + value);
            }
        }
    }

    void compare_file(const std::string& path, const std::set<std::string>& wanted) {
        std::set<std::string> found;
        if (fs::exists(path)) {
            std::istringstream lines(read_file(path));
            for (std::string line; std::getline(lines, line);) {
                if (!line.starts_with("#") && line.find("localhost") == std::string::npos) {
                    found.insert(line);
                }
            }
        }
        compare(path, wanted, found, all_);
        if (wanted.empty() && fs::exists(path)) {
            all_.push_back("+ " + path + ", which is not declared");
        }
    }

    void compare_dns(const Partition& partition) {
        const Dns& dns = partition.dns;
        std::set<std::string> resolv;
        for (const auto& each : dns.nameservers) {
            resolv.insert("nameserver " + each);
        }
        const auto line = [&](const std::string& word, const std::vector<std::string>& values) {
            std::string text = word;
            for (const auto& each : values) {
                text += " " + each;
            }
            if (!values.empty()) {
                resolv.insert(text);
            }
        };
        line("search", dns.search);
        line("options", dns.options);
        std::set<std::string> hosts;
        for (const auto& [name, addresses] : dns.hosts) {
            for (const auto& address : addresses) {
                hosts.insert(address + " " + name);
            }
        }
        compare_file("/etc/netns/" + partition.name + "/resolv.conf", resolv);
        compare_file("/etc/netns/" + partition.name + "/hosts", hosts);
    }

    void compare_uts(const Partition& partition) {
        const auto path = "/run/partd/ns/" + partition.name + "/uts";
        if (partition.hostname.empty() || !fs::exists(path)) {
            return;  // a missing name was told already
        }
        const auto name = test::run({"nsenter", "--uts=" + path, "hostname"});
        if (name.out != partition.hostname + "\n") {
            all_.push_back(partition.name + " has the host name " + name.text());
        }
    }

    static std::string escaped(const std::string& name) {
        std::string all;
        for (const char each : name) {
            all += each == '-' ? "\\x2d" : std::string(1, each);
        }
        return all;
    }

    /// "partd.slice/partd-s0.slice/partd-s0-web.slice": each name begins with that of the one above it.
    std::string cgroup_of(const std::string& name, const Limits& limits) const {
        std::string above = "partd.slice";
        std::string stem = "partd-";
        if (!limits.parent.empty()) {
            const auto parent = std::ranges::find(wanted_.slices, limits.parent, &Slice::name);
            above = cgroup_of(parent->name, parent->limits);
            const auto leaf = above.substr(above.rfind('/') + 1);
            stem = leaf.substr(0, leaf.size() - std::string(".slice").size()) + "-";
        }
        return above + "/" + stem + escaped(name) + ".slice";
    }

    void compare_cgroups() {
        std::set<std::string> wanted;
        const auto want = [&](const std::string& name, const Limits& limits) {
            wanted.insert(cgroup_of(name, limits));
            compare_limits(cgroup_of(name, limits), limits);
        };
        for (const auto& slice : wanted_.slices) {
            want(slice.name, slice.limits);
        }
        for (const auto& partition : wanted_.partitions) {
            want(partition.name, partition.limits);
        }
        const auto* counted = sandbox_.cgroups().of("");
        std::set<std::string> found;
        std::error_code absent;
        for (const auto& entry :
             fs::recursive_directory_iterator(counted->mount_point + "/partd.slice", absent)) {
            if (entry.is_directory() && entry.path().filename().string().starts_with("partd-")) {
                found.insert(fs::relative(entry.path(), counted->mount_point));
            }
        }
        compare("cgroup", wanted, found, all_);
    }

    void compare_limits(const std::string& cgroup, const Limits& limits) {
        auto& cgroups = sandbox_.cgroups();
        for (const auto& [key, value] : limits.numbers) {
            auto found = cgroups.limit(cgroup, key).value_or(-1);
            const auto* hierarchy = cgroups.of(key.substr(0, key.find('.')));
            if (key == "cpu.weight" && hierarchy != nullptr && hierarchy->version == 1) {
                found = (found * 100 + 512) / 1024;  // of shares, 1024 by default
            }
            if (found != value) {
                all_.push_back(cgroup + " has " + key + " = " + std::to_string(found) + " instead of " +
                               std::to_string(value));
            }
        }
        constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;
        for (const auto* key : {"memory.max", "pids.max"}) {
            const auto found = cgroups.limit(cgroup, key);
            if (!limits.numbers.contains(key) && !doubt_.former_values &&
                found.value_or(kUnlimited) < kUnlimited) {
                all_.push_back(cgroup + " still has " + key + " = " + std::to_string(*found));
            }
        }
        const auto percent = cgroups.processor_percent(cgroup).value_or(0);
        const bool known = limits.cpu_percent != 0 || !doubt_.former_values;
        if (known && std::abs(percent - limits.cpu_percent) > 0.1) {
            all_.push_back(cgroup + " has cpu.max " + std::to_string(percent) + " % instead of " +
                           std::to_string(limits.cpu_percent));
        }
    }

    const Host& wanted_;
    Sandbox& sandbox_;
    const Doubt& doubt_;
    std::map<std::string, WantedEnds> ends_;      ///< by the namespace's name, "" for the host
    std::map<std::string, std::string> made_up_;  ///< host ends that partd named, by partition
    std::vector<std::string> all_;
};

}  // namespace

std::vector<std::string> differences(const Host& wanted, Sandbox& sandbox, const Doubt& doubt) {
    return Comparison(wanted, sandbox, doubt).run();
}

void compare(const std::string& topic, const std::set<std::string>& wanted,
             const std::set<std::string>& found, std::vector<std::string>& differences) {
    for (const auto& each : wanted) {
        if (!found.contains(each)) {
            differences.push_back("- " + topic + ": " + each);
        }
    }
    for (const auto& each : found) {
        if (!wanted.contains(each)) {
            differences.push_back("+ " + topic + ": " + each);
        }
    }
}

}  // namespace partd::test
