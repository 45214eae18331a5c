// SPDX-License-Identifier: Apache-2.0
#pragma once
// A host as random numbers declare it: plain data, valid by construction, and its TOML.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace partd::test {

struct End {
    std::string name = {};  ///< "" leaves it to partd
    std::vector<std::string> addresses = {};
    std::optional<int> mtu = {};
    std::string mac = {};  ///< "" where none is declared
};

struct Link {
    End self = {};
    std::optional<bool> up = {};
    std::string alias = {};
    std::string partition = {};  ///< of the other end; "" is the host
    End peer = {};
};

struct Way {
    std::string via = {};
    std::string dev = {};
    int weight = 1;
};

struct Route {
    std::string to = {};
    std::string type = {};  ///< "" is unicast
    std::vector<Way> ways = {};
    std::string src = {};
    std::optional<int> metric = {};
    int table = 254;
    int mtu = 0;  ///< 0 where none is declared
    bool v6 = false;
};

struct Rule {
    std::string from = {};
    std::string to = {};
    std::string iif = {};
    std::string oif = {};
    int fwmark = 0;  ///< 0 is none
    int priority = 0;
    int table = 254;
    bool v6 = false;
    bool v4 = true;  ///< both: without an address a rule is one of either family
};

struct Forward {
    std::string protocol = {};
    int first = 0;
    int count = 1;
    std::string address = {};  ///< "" listens everywhere
    std::string from = {};     ///< "" allows all
    std::string to = {};
    int to_port = 0;
    bool v6 = false;
};

struct Translation {
    std::string source = {};
    std::string out = {};
    std::string to = {};  ///< "" masquerades
};

/// One element of reach or admit.
struct Policy {
    std::string far = {};    ///< a word, a partition's name, or a prefix
    std::string match = {};  ///< "tcp/443"; "" for every packet
};

struct Limits {
    std::map<std::string, long> numbers = {};  ///< "memory.max", "pids.max", "cpu.weight"
    int cpu_percent = 0;                       ///< 0 where cpu.max is not declared
    std::string parent = {};
    bool declared = false;
};

struct Dns {
    std::vector<std::string> nameservers = {};
    std::vector<std::string> search = {};
    std::vector<std::string> options = {};
    std::map<std::string, std::vector<std::string>> hosts = {};
};

struct Partition {
    std::string name = {};
    std::vector<std::string> namespaces = {};  ///< own ones, always listed
    std::string hostname = {};
    std::string share = {};  ///< the partition whose net it uses
    bool user = false;
    std::uint32_t first_uid = 0;
    std::optional<std::vector<Policy>> reach = {};
    std::vector<Policy> admit = {};
    bool masquerade = false;
    std::vector<Translation> translations = {};
    std::vector<Forward> forwards = {};
    std::vector<Link> links = {};
    std::vector<std::string> loopback = {};
    std::vector<Route> routes = {};
    std::vector<Rule> rules = {};
    std::map<std::string, std::string> sysctls = {};
    Limits limits = {};
    Dns dns = {};

    [[nodiscard]] bool has(const std::string& type) const;
};

struct Slice {
    std::string name = {};
    Limits limits = {};
};

struct Host {
    std::vector<Partition> partitions = {};
    std::vector<Slice> slices = {};

    [[nodiscard]] const Partition* find(const std::string& name) const;
};

/// The document; every string is quoted as TOML needs it.
std::string toml(const Host& host);

/// The name of a link's end on the host, as partd.toml(5) says: the declared one or `pv-NAME`; nothing when
/// that is too long and is made up by partd.
std::string host_end(const Partition& partition, const Link& link);

}  // namespace partd::test
