// SPDX-License-Identifier: Apache-2.0
// The contents of files: names, and the settings of a network namespace.

#include "../kernel/support/host_view.h"
#include "check_parts.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

void compare_file(const std::string& path, const std::set<std::string>& wanted, Differences& differences) {
    std::set<std::string> found;
    if (fs::exists(path)) {
        std::istringstream lines(read_file(path));
        for (std::string line; std::getline(lines, line);) {
            if (!line.starts_with("#") && line.find("localhost") == std::string::npos) {
                found.insert(line);
            }
        }
    }
    compare(path, wanted, found, differences);
    if (wanted.empty() && fs::exists(path)) {
        differences.push_back("+ " + path + ", which is not declared");
    }
}

void compare_dns(const Partition& partition, Differences& differences) {
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
    compare_file("/etc/netns/" + partition.name + "/resolv.conf", resolv, differences);
    compare_file("/etc/netns/" + partition.name + "/hosts", hosts, differences);
}

void compare_uts(const Partition& partition, Differences& differences) {
    const auto path = "/run/partd/ns/" + partition.name + "/uts";
    if (partition.hostname.empty() || !fs::exists(path)) {
        return;  // a missing name was told already
    }
    const auto name = run({"nsenter", "--uts=" + path, "hostname"});
    if (name.out != partition.hostname + "\n") {
        differences.push_back(partition.name + " has the host name " + name.text());
    }
}

/// The host sees the groups' numbers as they are outside.
std::string as_seen_here(const Partition& partition, const std::string& key, const std::string& value) {
    if (key != "net.ipv4.ping_group_range" || !partition.user) {
        return value;
    }
    const auto last = std::stoul(value.substr(value.find(' ')));
    return std::to_string(partition.first_uid) + " " + std::to_string(partition.first_uid + last);
}

}  // namespace

void compare_sysctls(const Partition& partition, int netns, const Doubt& doubt, Differences& differences) {
    static const std::map<std::string, std::string> kUsual = {{"net.ipv4.ip_default_ttl", "64"},
                                                              {"net.ipv4.tcp_keepalive_time", "7200"},
                                                              {"net.ipv4.conf.all.log_martians", "0"}};
    for (const auto& [key, value] : partition.sysctls) {
        auto found = sysctl(key, netns);
        std::ranges::replace(found, '\t', ' ');
        if (found != as_seen_here(partition, key, value)) {
            differences.push_back(partition.name + " has " + key + " = " + found + " instead of " + value);
        }
    }
    for (const auto& [key, value] : kUsual) {
        if (!partition.sysctls.contains(key) && !doubt.former_values && sysctl(key, netns) != value) {
            differences.push_back(partition.name + " still has " + key + " = " + sysctl(key, netns) +
                                  ", which no file declares; it was " + value);
        }
    }
}

void compare_names(const Partition& wanted, Differences& differences) {
    compare_dns(wanted, differences);
    compare_uts(wanted, differences);
}

}  // namespace partd::test
