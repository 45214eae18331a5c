// SPDX-License-Identifier: Apache-2.0
// The networks' part of a view: what ip(8), nft(8) and the kernel's switches say in each namespace.

#include "../kernel/support/machine.h"
#include "view_parts.h"

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

namespace partd::fault {
namespace {

namespace fs = std::filesystem;
using test::Json;

/// Removes values that the kernel numbers or draws anew each time.
void mask(Json& value) {
    for (const char* drawn : {"ifindex", "link_index", "link_netnsid", "expires", "tentative", "operstate",
                              "handle", "valid_life_time", "preferred_life_time", "permaddr"}) {
        if (value.is_object()) {
            value.erase(drawn);
        }
    }
    if (value.is_structured()) {
        for (auto& each : value) {
            mask(each);
        }
    }
}

/// Several JSON texts behind each other, as `ip -batch` prints them: a line for each element.
std::string lines_of_json(const std::string& text) {
    static const std::regex kMac("([0-9a-f]{2}:){5}[0-9a-f]{2}");
    static const std::regex kLinkLocal("fe80::[0-9a-f:]+");
    static const std::regex kNumber("\"if[0-9]+\"");
    std::istringstream stream(text);
    std::string lines;
    while (stream >> std::ws && !stream.eof()) {
        Json value;
        stream >> value;
        mask(value);
        for (const auto& each : value) {
            const std::string line = each.dump();
            // added when nobody else was found to have the address, up to a second later
            const bool comes_later = line.find(R"("table":"local")") != std::string::npos &&
                                     (line.find(R"("dst":"fe80:)") != std::string::npos);
            lines += comes_later ? "" : line + "\n";
        }
    }
    return sorted(replaced(replaced(replaced(lines, kLinkLocal, "LINKLOCAL"), kMac, "MAC"), kNumber, "IF"));
}

/// Elements of a set have no order.
std::string sorted_elements(const std::string& ruleset) {
    static const std::string kBegin = "elements = {";
    std::string result;
    std::size_t at = 0;
    for (std::size_t begin = 0; (begin = ruleset.find(kBegin, at)) != std::string::npos;) {
        begin += kBegin.size();
        const auto end = ruleset.find('}', begin);
        result += ruleset.substr(at, begin - at);
        std::set<std::string> elements;
        std::istringstream parts(ruleset.substr(begin, end - begin));
        for (std::string part; std::getline(parts, part, ',');) {
            const auto first = part.find_first_not_of(" \t\n");
            elements.insert(part.substr(first, part.find_last_not_of(" \t\n") + 1 - first));
        }
        for (const auto& each : elements) {
            result += " " + each + ",";
        }
        at = end;
    }
    return result + ruleset.substr(at);
}

std::string switches() {
    std::string lines;
    const std::array<const char*, 2> families = {"/proc/sys/net/ipv4", "/proc/sys/net/ipv6"};
    for (const std::string family : families) {
        std::error_code absent;
        for (const auto& link : fs::directory_iterator(family + "/conf", absent)) {
            for (const char* name : {"forwarding", "accept_ra", "addr_gen_mode", "accept_dad", "rp_filter",
                                     "route_localnet", "disable_ipv6"}) {
                const std::string path = link.path().string() + "/" + name;
                lines += path + "=" + file_or_nothing(path) + "\n";
            }
        }
    }
    for (const char* path : {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_default_ttl",
                             "/proc/sys/net/ipv4/ping_group_range"}) {
        lines += std::string(path) + "=" + file_or_nothing(path) + "\n";
    }
    return lines;
}

void add_network(test::Snapshot& all, const std::string& name, int netns) {
    const auto batch = [&](const char* family, std::string commands) {
        return test::output({"ip", family, "-d", "-j", "-batch", "-"},
                            {.input = std::move(commands), .netns = netns});
    };
    all["network " + name] = lines_of_json(
        batch("-4", "rule\nroute show table all\nnexthop\n") + batch("-6", "rule\nroute show table all\n") +
        test::output({"ip", "-d", "-j", "address"}, {.input = {}, .netns = netns}));
    all["nftables " + name] =
        sorted_elements(test::output({"nft", "-s", "list", "ruleset"}, {.input = {}, .netns = netns}));
    if (netns < 0) {
        all["policies " + name] = sorted(test::output({"ip", "xfrm", "policy"}));
    }
    std::optional<test::InNetns> inside;
    if (netns >= 0) {
        inside.emplace(netns);
    }
    all["switches " + name] = sorted(switches());
}

}  // namespace

void add_networks(test::Snapshot& all) {
    add_network(all, "(host)", -1);
    std::error_code absent;
    std::string names;
    for (const auto& entry : fs::directory_iterator("/run/netns", absent)) {
        const std::string path = entry.path();
        const bool is = test::is_namespace(path);
        names += path + (is ? " namespace\n" : " no namespace\n");
        if (is) {
            const test::Netns netns(path);
            add_network(all, entry.path().filename(), netns.fd());
        }
    }
    all["/run/netns"] = sorted(names);
}

}  // namespace partd::fault
