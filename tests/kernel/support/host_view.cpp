// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <regex>
#include <sstream>

namespace partd::test {
namespace {

RunOptions in(int netns) {
    return {.input = {}, .netns = netns};
}

std::string sysctl_path(std::string key) {
    std::ranges::replace(key, '.', '/');
    return "/proc/sys/" + key;
}

/// nft prints the elements of a hash set in the kernel's order, which a refill changes.
std::string sorted_elements(const std::string& text) {
    std::vector<std::string> all(1);
    bool quoted = false;
    for (const char each : text) {
        quoted ^= each == '"';
        const bool blank = each == ' ' || each == '\t' || each == '\n';
        if (each == ',' && !quoted) {
            all.emplace_back();
        } else if (!blank || (!all.back().empty() && all.back().back() != ' ')) {
            all.back() += blank ? ' ' : each;
        }
    }
    std::ranges::sort(all);
    std::string joined;
    for (const auto& each : all) {
        joined += " " + each + ",";
    }
    return joined;
}

/// /proc/sys/net shows the namespace of the process that opens it.
template <typename Body>
auto within(int netns, Body body) {
    if (netns < 0) {
        return body();
    }
    const InNetns there(netns);
    return body();
}

}  // namespace

Json link(const std::string& name, int netns) {
    const auto outcome = run({"ip", "-j", "-d", "link", "show", "dev", name}, in(netns));
    return outcome.code == 0 ? Json::parse(outcome.out).at(0) : Json();
}

bool has_link(const std::string& name, int netns) {
    return !link(name, netns).is_null();
}

bool is_up(const std::string& name, int netns) {
    const auto found = link(name, netns);
    return found.is_object() && std::ranges::find(found.at("flags"), Json("UP")) != found.at("flags").end();
}

std::vector<std::string> addresses(const std::string& name, int netns) {
    std::vector<std::string> all;
    const auto outcome = run({"ip", "-j", "addr", "show", "dev", name}, in(netns));
    if (outcome.code != 0) {
        return all;
    }
    const auto parsed = Json::parse(outcome.out);
    for (const auto& entry : parsed.at(0).at("addr_info")) {
        if (entry.at("scope") == "global") {
            all.push_back(entry.at("local").get<std::string>() + "/" +
                          std::to_string(entry.at("prefixlen").get<int>()));
        }
    }
    std::ranges::sort(all);
    return all;
}

std::vector<std::string> links(int netns) {
    std::vector<std::string> all;
    for (const auto& entry : json({"ip", "-j", "link"}, in(netns))) {
        if (entry.at("ifname") != "lo") {
            all.push_back(entry.at("ifname"));
        }
    }
    std::ranges::sort(all);
    return all;
}

Json routes(const std::string& to, int netns, const std::string& table, const std::string& family) {
    // exact: without it ip lists what is below the prefix too
    const auto outcome =
        run({"ip", family, "-j", "-d", "route", "show", "table", table, "exact", to}, in(netns));
    return outcome.code == 0 && !outcome.out.empty() ? Json::parse(outcome.out) : Json::array();
}

Json rules(int preference, int netns, const std::string& family) {
    auto all = Json::array();
    for (const auto& rule : json({"ip", family, "-j", "-d", "rule"}, in(netns))) {
        if (rule.at("priority") == preference) {
            all.push_back(rule);
        }
    }
    return all;
}

std::vector<std::string> netns_names() {
    std::vector<std::string> all;
    for (const auto& entry : json({"ip", "-j", "netns", "list"})) {
        all.push_back(entry.at("name"));
    }
    std::ranges::sort(all);
    return all;
}

unsigned long netns_inode(const std::string& name) {
    struct stat status{};
    require_call(::stat(("/run/netns/" + name).c_str(), &status) == 0, "/run/netns/" + name);
    return status.st_ino;
}

std::string sysctl(const std::string& key, int netns) {
    auto text = within(netns, [&] { return read_file(sysctl_path(key)); });
    return text.substr(0, text.find('\n'));
}

void set_sysctl(const std::string& key, const std::string& value, int netns) {
    within(netns, [&] {
        write_file(sysctl_path(key), value);
        return true;
    });
}

void forward_everything() {
    set_sysctl("net.ipv4.ip_forward", "1");
    set_sysctl("net.ipv6.conf.all.forwarding", "1");
}

std::string partd_table() {
    const auto outcome = run({"nft", "list", "table", "inet", "partd"});
    static const std::regex kElements(R"(elements = \{([^}]*)\})");
    static const std::regex kCounts("packets [0-9]+ bytes [0-9]+");
    auto rest = std::regex_replace(outcome.code == 0 ? outcome.out : "", kCounts, "counted");
    std::string table;
    for (std::smatch match; std::regex_search(rest, match, kElements); rest = match.suffix()) {
        table += match.prefix().str() + "elements = {" + sorted_elements(match[1]) + " }";
    }
    return table + rest;
}

long counted_packets(const std::string& listing) {
    static const std::regex kCounter("packets ([0-9]+)");
    long sum = 0;
    for (auto match = std::sregex_iterator(listing.begin(), listing.end(), kCounter);
         match != std::sregex_iterator(); ++match) {
        sum += std::stol((*match)[1]);
    }
    return sum;
}

bool has_partd_table() {
    return !partd_table().empty();
}

std::vector<std::string> tracked(int destination_port, const std::string& family) {
    const auto port = std::to_string(destination_port);
    std::istringstream lines(
        run({"conntrack", "-L", "-f", family, "-p", "tcp", "--orig-port-dst", port}).out);
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);) {
        all.push_back(line);
    }
    return all;
}

std::optional<std::string> attribute(const std::string& path, const std::string& name) {
    std::array<char, 4096> buffer{};
    const auto size = ::getxattr(path.c_str(), name.c_str(), buffer.data(), buffer.size());
    return size < 0 ? std::nullopt
                    : std::optional(std::string(buffer.data(), static_cast<std::size_t>(size)));
}

bool remove_attribute(const std::string& path, const std::string& name) {
    return ::removexattr(path.c_str(), name.c_str()) == 0;
}

void ip(const Arguments& arguments, int netns) {
    Arguments all{"ip"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    output(all, in(netns));
}

bool lists(const Json& plan, const std::string& part, const std::string& kind,
           const std::string& name_contains) {
    const auto found = plan.find(part);
    return found != plan.end() && std::ranges::any_of(*found, [&](const auto& entry) {
               return entry.at("kind") == kind &&
                      entry.at("name").template get<std::string>().find(name_contains) != std::string::npos;
           });
}

std::string plan_text(const Json& plan) {
    std::string text;
    for (const auto& [part, value] : plan.items()) {
        text += part + ":" + (value.is_array() ? "\n" : " " + value.dump() + "\n");
        for (const auto& entry : value.is_array() ? value : Json::array()) {
            text += "  " + entry.dump() + "\n";
        }
    }
    return text;
}

Json status_of(const Sandbox& sandbox, const std::string& partition) {
    const auto status = sandbox.partctl_json({"status"});
    for (const auto& entry : status.at("partitions")) {
        if (entry.at("name") == partition) {
            return entry;
        }
    }
    return {};
}

}  // namespace partd::test
