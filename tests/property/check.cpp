// SPDX-License-Identifier: Apache-2.0
#include "../kernel/support/host_view.h"
#include "check_parts.h"

#include <algorithm>
#include <filesystem>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

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
        compare_pins();
        for (const auto& partition : wanted_.partitions) {
            if (partition.has("net") && fs::exists("/run/netns/" + partition.name)) {
                const Netns netns("/run/netns/" + partition.name);
                compare_links(partition.name, netns.fd());
                compare_routing(partition, netns.fd(), all_);
                compare_sysctls(partition, netns.fd(), doubt_, all_);
            }
            compare_names(partition, all_);
        }
        compare_links("", kHere);
        compare_cgroups(wanted_, sandbox_, doubt_, all_);
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

    void compare_pins() {
        std::set<std::string> names;
        std::set<std::string> others;
        for (const auto& partition : wanted_.partitions) {
            for (const auto& type : partition.namespaces) {
                (type == "net" ? names : others)
                    .insert(type == "net" ? partition.name : partition.name + "/" + type);
            }
        }
        for (const auto& partition : wanted_.partitions) {
            if (!partition.share.empty()) {
                others.insert(partition.name + "/net");
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
