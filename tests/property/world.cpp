// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "../kernel/support/host_view.h"

#include <filesystem>

namespace partd::test {
namespace {

namespace fs = std::filesystem;
constexpr const char* kNames = "/etc/netns/fx-ns/resolv.conf";
constexpr const char* kCgroup = "other.slice";

}  // namespace

World::World() {
    ip({"netns", "add", "fx-ns"});
    ip({"link", "add", "fx0", "type", "veth", "peer", "name", "fx1", "netns", "fx-ns"});
    ip({"link", "set", "fx0", "addrgenmode", "none", "alias", "of somebody else", "up"});
    ip({"addr", "add", "198.18.0.1/30", "dev", "fx0"});
    ip({"-n", "fx-ns", "link", "set", "fx1", "addrgenmode", "none", "mtu", "1444", "up"});
    ip({"-n", "fx-ns", "addr", "add", "198.18.0.2/30", "dev", "fx1"});
    // the kernel tells of a carrier up to a second later
    eventually([] { return link("fx0").at("operstate") == "UP"; });
    ip({"route", "add", "198.19.0.0/16", "via", "198.18.0.2", "table", "77"});
    ip({"rule", "add", "from", "198.18.0.0/15", "priority", "500", "table", "77"});
    output({"nft", "-f", "-"}, {.input = kForeignTable});
    for (const auto& hierarchy : sandbox_.cgroups().hierarchies()) {
        fs::create_directory(hierarchy.mount_point + "/" + kCgroup);
    }
    fs::create_directories(fs::path(kNames).parent_path());
    write_file(kNames, "nameserver 192.0.2.53\n");
    // partd turns it on and leaves it on; the kernel then has more routes
    forward_everything();
    before_ = snapshot(sandbox_);
}

std::string World::foreign() {
    std::string all = output({"ip", "-j", "-d", "addr", "show", "dev", "fx0"});
    all += output({"ip", "-n", "fx-ns", "-j", "-d", "addr", "show", "dev", "fx1"});
    all += output({"ip", "-j", "route", "show", "table", "77"});
    all += output({"ip", "-j", "rule", "show", "priority", "500"});
    all += output({"nft", "-s", "list", "table", "inet", "filter"});
    for (const auto& place : sandbox_.cgroups().places(kCgroup)) {
        all += place + "\n";
    }
    return all + read_file(kNames);
}

}  // namespace partd::test
