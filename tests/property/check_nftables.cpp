// SPDX-License-Identifier: Apache-2.0
#include "../kernel/support/host_view.h"
#include "check.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace partd::test {
namespace {

bool is_v6(const std::string& text) {
    return text.find(':') != std::string::npos;
}

/// The address with all but its first bits zero, as nft prints it.
std::string masked(const std::string& address, unsigned length) {
    const int family = is_v6(address) ? AF_INET6 : AF_INET;
    std::array<unsigned char, 16> bytes{};
    ::inet_pton(family, address.c_str(), bytes.data());
    for (unsigned bit = length; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] & ~(0x80U >> bit % 8));
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(family, bytes.data(), text.data(), text.size());
}

struct Split {
    std::string ip;
    unsigned length = 0;
    std::string set;  ///< "4_24"
};
Split split(const std::string& address) {
    const auto slash = address.find('/');
    Split all{address.substr(0, slash), static_cast<unsigned>(std::stoul(address.substr(slash + 1))), {}};
    all.set = (is_v6(address) ? "6_" : "4_") + std::to_string(all.length);
    all.ip = masked(all.ip, all.length);
    return all;
}

/// The elements of the sets for one document, as docs/nftables.md describes them.
class Expected {
public:
    Expected(const Host& host, const std::map<std::string, std::string>& made_up)
        : host_(host), made_up_(made_up) {
        for (const auto& partition : host.partitions) {
            add_gates(partition);
            add_own(partition);
            for (const auto& each : partition.translations) {
                const auto source = split(each.source);
                const std::string role =
                    (each.to.empty() ? "masq" : "snat") + std::string(each.out.empty() ? "" : "out");
                add(role + source.set, source.ip + (each.out.empty() ? "" : " . " + each.out) +
                                           (each.to.empty() ? "" : " : " + masked(each.to, 128)));
            }
            for (const auto& forward : partition.forwards) {
                add_forward(forward);
            }
        }
    }
    [[nodiscard]] const std::set<std::string>& elements() const { return elements_; }
    [[nodiscard]] const std::set<std::string>& sets() const { return sets_; }

private:
    void add(const std::string& set, const std::string& element) {
        sets_.insert(set);
        elements_.insert(set + " { " + element + " }");
    }
    [[nodiscard]] std::vector<std::string> ends(const Partition& partition) const {
        std::vector<std::string> all;
        for (const auto& link : partition.links) {
            if (link.partition.empty()) {
                all.push_back(end(partition, link));
            }
        }
        return all;
    }
    [[nodiscard]] std::string end(const Partition& partition, const Link& link) const {
        const auto name = host_end(partition, link);
        return name.empty() ? made_up_.at(partition.name) : name;
    }

    inline static const std::map<std::string, std::string> kWays = {
        {"host", "hostward"}, {"outside", "outward"}, {"any", "anyward"}};
    inline static const std::map<std::string, std::string> kAdmits = {{"outside", "inward"},
                                                                      {"any", "anyone"}};
    inline static const std::map<std::string, std::pair<std::string, std::string>> kMatches = {
        {"", {"", ""}},
        {"tcp", {"_p0", " . tcp"}},
        {"tcp/443", {"_p16", " . tcp . 443"}},
        {"udp/5000-5007", {"_p13", " . udp . 5000"}}};

    /// One element of reach or admit, for one host end.
    void add_policy(const std::string& name, const Policy& policy,
                    const std::map<std::string, std::string>& words, const std::string& pairs) {
        const auto& [set, key] = kMatches.at(policy.match);
        if (const auto word = words.find(policy.far); word != words.end()) {
            add(word->second + set, name + key);
        } else if (policy.far.find('/') != std::string::npos) {
            const auto prefix = split(policy.far);
            add(pairs + prefix.set + set, name + " . " + prefix.ip + key);
        } else {
            for (const auto& other : ends(*host_.find(policy.far))) {
                add(pairs + set, name + " . " + other + key);
            }
        }
    }
    void add_gates(const Partition& partition) {
        const bool translates = partition.masquerade || !partition.translations.empty();
        const auto usual =
            translates ? std::vector<Policy>{{"host"}, {"outside"}} : std::vector<Policy>{{"host"}};
        for (const auto& name : ends(partition)) {
            add("inside", name);
            add("hairpin", name + " . " + name);
            for (const auto& target : partition.reach.value_or(usual)) {
                add_policy(name, target, kWays, "reach");
            }
            for (const auto& source : partition.admit) {
                add_policy(name, source, kAdmits, "admit");
            }
        }
    }

    void add_own(const Partition& partition) {
        for (const auto& link : partition.links) {
            for (const auto& address : link.self.addresses) {
                if (partition.masquerade && link.partition.empty()) {
                    const auto own = split(address);
                    add("masq" + own.set, own.ip);
                    add("back" + own.set, own.ip + " . " + end(partition, link));
                }
            }
        }
    }

    void add_forward(const Forward& forward) {
        const auto any = forward.v6 ? "::/0" : "0.0.0.0/0";
        const auto from = split(forward.from.empty() ? any : forward.from);
        for (int offset = 0; offset < forward.count; ++offset) {
            const auto port = std::to_string(forward.first + offset);
            const auto to_port = std::to_string(forward.to_port + offset);
            add((forward.address.empty() ? "fwd" : "fwdto") + from.set,
                from.ip + (forward.address.empty() ? "" : " . " + forward.address) + " . " +
                    forward.protocol + " . " + port + " : " + masked(forward.to, 128) + " . " + to_port);
        }
    }

    const Host& host_;
    const std::map<std::string, std::string>& made_up_;
    std::set<std::string> elements_;
    std::set<std::string> sets_;
};

std::string value_text(const Json& value) {
    if (value.is_object() && value.contains("elem")) {
        return value_text(value.at("elem").at("val"));
    }
    if (value.is_object() && value.contains("concat")) {
        std::string all;
        for (const auto& part : value.at("concat")) {
            all += (all.empty() ? "" : " . ") + value_text(part);
        }
        return all;
    }
    return value.is_string() ? value.get<std::string>() : value.dump();
}

/// An element of a set, or of a map with what it leads to.
std::string element_text(const Json& element) {
    return element.is_array() ? value_text(element.at(0)) + " : " + value_text(element.at(1))
                              : value_text(element);
}

/// A set of reach or admit that comes and goes.
bool is_of_gate(const std::string& set) {
    const auto begins = [&](const char* word) { return set.starts_with(word); };
    return set.find('_') != std::string::npos &&
           std::ranges::any_of(std::array{"reach", "outward", "anyward", "admit", "inward", "anyone"},
                               begins);
}

/// The rules by their comments; those of sets come and go with them.
std::set<std::string> expected_rules(const std::set<std::string>& sets) {
    std::set<std::string> all = {"sources judged from here on",
                                 "sources of others",
                                 "sources no router",
                                 "sources no redirect",
                                 "sources no redirect of IPv4",
                                 "sources loopback stays local",
                                 "sources nobody is 127.0.0.1",
                                 "sources an address that is tried",
                                 "sources not its own address",
                                 "input of others",
                                 "input reach host",
                                 "input reach any",
                                 "input answers",
                                 "input neighbour solicitation",
                                 "input neighbour advertisement",
                                 "input echo request",
                                 "input echo request of IPv6",
                                 "input the host's services",
                                 "forward of others",
                                 "forward forwarded ports",
                                 "forward answers",
                                 "forward about a connection",
                                 "forward declared reach",
                                 "forward reach any",
                                 "forward declared admit",
                                 "forward admit any",
                                 "forward admit outside",
                                 "forward into a partition",
                                 "forward reach outside",
                                 "forward out of a partition",
                                 "ports into a partition",
                                 "ports answers of a partition",
                                 "ports reach host",
                                 "ports answers of others",
                                 "answers declared reach",
                                 "answers reach any",
                                 "answers declared admit",
                                 "answers admit any",
                                 "answers admit outside",
                                 "answers from a partition",
                                 "answers reach outside",
                                 "answers of nothing declared",
                                 "others established",
                                 "others forwarded ports",
                                 "others strangers",
                                 "strangers between ports of a bridge",
                                 "strangers by a router's link",
                                 "strangers by an uplink",
                                 "strangers from outside",
                                 "prerouting the host's loopback is its own",
                                 "prerouting port forwards",
                                 "output port forwards",
                                 "postrouting hairpin",
                                 "postrouting from the host",
                                 "shadows of the host's own",
                                 "shadows that stay inside",
                                 "shadows that began before"};
    for (const std::string kind : {"bridge", "veth", "tun", "netkit", "wireguard", "ppp", "vxlan", "geneve",
                                   "gre", "ipip", "sit", "ip6tnl", "xfrm", "openvswitch"}) {
        all.insert("strangers from " + kind + " links");
    }
    for (const auto& set : sets) {
        if (is_of_gate(set)) {
            all.insert({"forward " + set, "answers " + set});
            if (set.starts_with("anyward") || set.starts_with("reach4") || set.starts_with("reach6")) {
                all.insert("input " + set);
            }
        } else if (set.find('_') != std::string::npos && !set.starts_with("back")) {
            const bool forwards = set.starts_with("fwd");
            all.insert((forwards ? "forwards " : "postrouting ") + set);
            if (forwards) {
                all.insert("shadows " + set);
            }
        }
    }
    return all;
}

// The filters of host ends, and with the table the policies that close the host without it.
void check_backstop(const Host& wanted, const std::map<std::string, std::string>& made_up, bool table,
                    std::vector<std::string>& all) {
    for (const auto& partition : wanted.partitions) {
        for (const auto& link : partition.links) {
            if (!link.partition.empty()) {
                continue;
            }
            const auto declared = host_end(partition, link);
            const auto name = declared.empty() ? made_up.at(partition.name) : declared;
            const auto filters = run({"tc", "filter", "show", "dev", name, "ingress"}).out;
            if (filters.find(" partd_ingress_") == std::string::npos) {
                all.push_back("- filter of " + name);
            }
        }
    }
    const auto policies = output({"ip", "xfrm", "policy"});
    if (std::ranges::count(policies, '\n') != (table ? 12 : 0)) {
        all.push_back("policies: " + policies);
    }
}

}  // namespace

std::vector<std::string> nftables_differences(const Host& wanted,
                                              const std::map<std::string, std::string>& made_up) {
    const Expected expected(wanted, made_up);
    std::vector<std::string> all;
    std::set<std::string> elements;
    std::set<std::string> rules;
    bool there = false;
    bool guarded = false;
    const Json ruleset = json({"nft", "-j", "list", "ruleset"});
    for (const auto& object : ruleset.at("nftables")) {
        const auto& kind = object.begin().key();
        const auto& body = object.begin().value();
        if (body.value("table", body.value("name", "")) != "partd" || body.value("family", "") != "inet") {
            continue;
        }
        there = true;
        if (kind == "rule") {
            rules.insert(body.at("chain").get<std::string>() + " " + body.value("comment", "?"));
        }
        // The host's own guard depends on how it was before, and stays when nothing is declared any more.
        const auto name = body.value("name", "");
        const bool guard = name == "guarded" || name == "uplinks" || name == "routers" || name == "turned";
        guarded |= name == "guarded" && body.contains("elem");
        for (const auto& element : guard ? Json::array() : body.value("elem", Json::array())) {
            elements.insert(body.at("name").get<std::string>() + " { " + element_text(element) + " }");
        }
    }
    if (there != !expected.elements().empty() && !(there && guarded)) {
        all.emplace_back(there ? "+ table inet partd, which nothing needs" : "- table inet partd");
    }
    compare("element of inet partd", expected.elements(), elements, all);
    check_backstop(wanted, made_up, !expected.elements().empty(), all);
    if (there) {
        compare("rule of inet partd", expected_rules(expected.sets()), rules, all);
    }
    return all;
}

}  // namespace partd::test
