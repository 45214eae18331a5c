// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"

#include <filesystem>
#include <set>
#include <sstream>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

/// Values that change by themselves.
void mask(Json& value) {
    if (value.is_array()) {
        for (auto& each : value) {
            mask(each);
        }
        return;
    }
    if (!value.is_object()) {
        return;
    }
    for (const char* unstable : {"expires", "tentative", "operstate", "age", "handle", "packets", "bytes"}) {
        value.erase(unstable);
    }
    for (auto& [key, member] : value.items()) {
        mask(member);
    }
}

std::string masked(const Arguments& arguments) {
    auto value = json(arguments);
    mask(value);
    std::string lines;
    for (const auto& each : value) {
        lines += each.dump() + "\n";
    }
    return lines;
}

std::multiset<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::multiset<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.insert(line);
    }
    return lines;
}

/// The mount at /run/netns itself is not compared: `ip netns` makes and leaves it as well, and unmounting it
/// could lose another program's bind mount below it. Mounts inside it are compared.
std::string mounts() {
    std::string kept;
    for (const auto& line : lines_of(read_file("/proc/self/mountinfo"))) {
        kept += line.find(" /run/netns ") == std::string::npos ? line + "\n" : "";
    }
    return kept;
}

std::string listing(const std::string& directory) {
    std::string lines;
    std::error_code absent;
    for (const auto& entry : fs::recursive_directory_iterator(directory, absent)) {
        // what was applied is remembered for ever
        const std::string path = entry.path().string();
        if (path != "/var/lib/partd" && !path.starts_with("/var/lib/partd/history")) {
            lines += entry.path().string() + "\n";
        }
    }
    return lines;
}

}  // namespace

Snapshot snapshot(Sandbox& sandbox) {
    Snapshot all;
    all["links"] = masked({"ip", "-j", "-d", "link"});
    all["addresses"] = masked({"ip", "-j", "addr"});
    for (const char* family : {"-4", "-6"}) {
        all[std::string("routes ") + family] = masked({"ip", family, "-j", "route", "show", "table", "all"});
        all[std::string("rules ") + family] = masked({"ip", family, "-j", "rule"});
    }
    all["nexthops"] = masked({"ip", "-j", "nexthop"});
    all["policies"] = output({"ip", "xfrm", "policy"});
    all["nftables"] = output({"nft", "-s", "list", "ruleset"});
    all["mounts"] = mounts();
    all["/run/netns"] = listing("/run/netns");
    all["/etc/netns"] = listing("/etc/netns");
    all["/run/partd/ns"] = listing("/run/partd/ns");
    all["/var/lib"] = listing("/var/lib");
    // what was killed a moment ago may need one to end
    eventually([] { return orphans().empty(); }, 500ms);
    all["processes"] = orphans();
    for (const auto& directory : sandbox.cgroups().tree()) {
        all["cgroups"] += directory + "\n";
    }
    return all;
}

std::string difference(const Snapshot& before, const Snapshot& after) {
    std::string text;
    for (const auto& [topic, was] : before) {
        const auto was_lines = lines_of(was);
        const auto is_lines = lines_of(after.at(topic));
        std::string changed;
        for (const auto& line : was_lines) {
            changed += is_lines.contains(line) ? "" : "- " + line + "\n";
        }
        for (const auto& line : is_lines) {
            changed += was_lines.contains(line) ? "" : "+ " + line + "\n";
        }
        if (changed.empty() && was != after.at(topic)) {
            changed = "another order or number of the same lines\n";
        }
        text += changed.empty() ? "" : topic + ":\n" + changed;
    }
    return text;
}

}  // namespace partd::test
