// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

#include "../kernel/support/process.h"

#include <stdexcept>
#include <utility>

namespace partd::fault {
namespace {

struct Edit {
    std::string from;
    std::string to;
};

struct Example {
    std::string name;
    std::vector<Edit> edits;
};

/// Features that no example has: switches, rules, kinds of routes, an own command, mounts, snat, shared
/// roots.
constexpr const char* kWhole = R"(
[partition.whole]
namespaces = ["net", "uts", "ipc", "pid", "mnt"]
hostname = "whole"
domainname = "example.org"
[partition.whole.link.lo]
address = ["10.91.0.1/32"]
[partition.whole.link.eth0]
address = ["10.90.0.2/24", "fd00:90::2/64"]
mtu = 1400
alias = "first"
peer = { name = "whole0", address = ["10.90.0.1/24", "fd00:90::1/64"] }
[partition.whole.link.eth1]
mac = "02:00:00:00:00:01"
peer = { partition = "half", name = "eth1", address = ["10.92.0.2/24"] }
[[partition.whole.route]]
to = "default"
via = "10.90.0.1"
metric = 7
[[partition.whole.route]]
to = "10.93.0.0/16"
type = "blackhole"
table = 100
[[partition.whole.rule]]
from = "10.90.0.0/24"
table = 100
priority = 1000
[partition.whole.sysctl]
net.ipv4.ip_default_ttl = 55
net.ipv4.ip_forward = 1
[partition.whole.dns]
nameserver = ["9.9.9.9"]
hosts = { other = ["10.92.0.2"] }
[partition.whole.init]
command = ["/bin/sleep", "3600"]
environment = { KEY = "value" }
[partition.whole.cgroup]
pids.max = 50
cpu.weight = 50
[partition.whole.nat]
snat = [{ source = "10.90.0.0/24", to = "10.90.0.1" }]
[[partition.whole.nat.forward]]
listen = "udp/5000"
to = "[fd00:90::2]:5000"
[partition.half]
[partition.half.cgroup]
memory.max = "64M"
freeze = true
)";

const std::vector<Example>& examples() {
    static const std::vector<Example> kExamples = {
        {"workshop", {{"10.1.1.1/24", "10.1.1.9/24"}}},
        {"blue-green", {{"pids.max = 128", "pids.max = 64"}, {"fd00:10::2/64", "fd00:10::3/64"}}},
        {"limits",
         {{"cpu.weight = 10\n", "cpu.weight = 20\n"}, {"parent = \"batch\"", "parent = \"interactive\""}}},
        {"tenants",
         {{"[partition.globex]\nextends", "[partition.hooli]\nextends"}, {"10.61.0.2", "10.61.0.3"}}},
        {"routed-nat", {{"tcp/8080", "tcp/8081"}, {"172.16.99.100", "172.16.99.101"}}},
        {"lightvm",
         {{"hostname = \"lightvm\"", "hostname = \"other\""}, {"outside = 1000000", "outside = 2000000"}}},
        {"pod",
         {{"tcp/8088", "tcp/8089"},
          {"pids.max = 200", "pids.max = 100"},
          {"[\"pid\", \"mnt\"]", "[\"pid\"]"}}},
        {"whole",
         {{"mtu = 1400", "mtu = 1300"},
          {"ttl = 55", "ttl = 66"},
          {"metric = 7", "metric = 8"},
          {"table = 100", "table = 101"},
          {"\"3600\"", "\"3601\""},
          {"freeze = true", "freeze = false"},
          {"udp/5000", "udp/5009"},
          {"9.9.9.9", "1.1.1.1"},
          {"[partition.whole.link.lo]\naddress = [\"10.91.0.1/32\"]\n", ""}}},
    };
    return kExamples;
}

Files files_of(const std::string& example) {
    return {{example + ".toml",
             example == "whole" ? kWhole : test::read_file(PARTD_EXAMPLES "/" + example + ".toml")}};
}

Files edited(Files files, const std::vector<Edit>& edits) {
    for (auto& [name, text] : files) {
        for (const auto& [from, to] : edits) {
            if (text.find(from) == std::string::npos) {
                throw std::runtime_error(name + " does not contain \"" + from + "\" any more");
            }
            for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
                text.replace(at, from.size(), to);
            }
        }
    }
    return files;
}

}  // namespace

std::vector<Scenario> all_scenarios() {
    std::vector<Scenario> all;
    const auto& known = examples();
    for (std::size_t i = 0; i < known.size(); ++i) {
        const auto& [name, edits] = known[i];
        const auto& next = known[(i + 1) % known.size()].name;
        const Files files = files_of(name);
        all.push_back({"create " + name, name, {}, files});
        all.push_back({"edit " + name, name, files, edited(files, edits)});
        all.push_back({"remove " + name, name, files, {}});
        all.push_back({"replace " + name + " by " + next, name, files, files_of(next)});
        all.push_back({"daemon " + name, name, {}, files, true});
    }
    return all;
}

}  // namespace partd::fault
