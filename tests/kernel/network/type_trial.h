// SPDX-License-Identifier: Apache-2.0
#pragma once
// The trials of every type of link: it is made, settled, and put back when somebody changes or deletes it.

#include "host_view.h"
#include "machine.h"

#include <functional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace partd::test {

/// A change by hand: commands of ip.
struct ByHand {
    std::string what;
    std::vector<Arguments> commands;
};

/// True if this kernel has that type: `ip link add probe …` works. In the sandbox's own namespace.
inline bool kernel_makes(Arguments link) {
    Arguments command = {"ip", "link", "add", "name", "probe"};
    command.insert(command.end(), link.begin(), link.end());
    if (run(command).code != 0) {
        return false;
    }
    ip({"link", "del", "probe"});
    return true;
}

inline void is_settled(const Sandbox& sandbox) {
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.out << diff.err);
    CHECK(diff.code == 0);
    CHECK(sandbox.partctl({"status", "--check"}).code == 0);
}

/// Each is a difference, and is put back so that `check` holds.
inline void is_put_back(const Sandbox& sandbox, int netns, const std::vector<ByHand>& all,
                        const std::function<void()>& check) {
    for (const ByHand& done : all) {
        INFO(done.what);
        for (const Arguments& command : done.commands) {
            ip(command, netns);
        }
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
        is_settled(sandbox);
        check();
    }
}

/// links(), but for those that the modules of tunnels make in each namespace once they are loaded.
inline std::vector<std::string> made_links(int netns = kHere) {
    std::vector<std::string> all = links(netns);
    std::erase_if(all, [](const std::string& name) {
        return name == "erspan0" || name == "gre0" || name == "gretap0" || name == "sit0" || name == "tunl0";
    });
    return all;
}

/// The host is what it was, a moment after the last namespace is gone.
inline void is_as_before(Sandbox& sandbox, const Snapshot& before) {
    sandbox.close_netns();
    std::string differences;
    (void)eventually([&] {
        differences = difference(before, snapshot(sandbox));
        return differences.empty();
    });
    CHECK(differences == "");
}

/// IFLA_INFO_DATA as ip shows it.
inline Json type_data(const std::string& name, int netns) {
    return link(name, netns).at("linkinfo").at("info_data");
}

/// Also when a neighbour has a new hardware address since.
inline bool reaches(const Sandbox& sandbox, const std::string& from, const std::string& to) {
    (void)exec_in(sandbox, from, {"ip", "neigh", "flush", "all"});
    return exec_in(sandbox, from, {"ping", "-c", "1", "-W", "2", to}).code == 0;
}

}  // namespace partd::test
