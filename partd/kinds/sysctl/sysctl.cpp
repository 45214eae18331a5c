// SPDX-License-Identifier: Apache-2.0
#include "kinds/sysctl/sysctl.h"

#include "base/text.h"
#include "kinds/host/switches.h"
#include "kinds/link/interfaces.h"
#include "kinds/namespace/netns.h"
#include "kinds/net/address.h"
#include "kinds/partition.h"
#include "kinds/sysctl/ping_groups.h"
#include "kinds/sysctl/text.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Sysctl::netns>("netns", "the namespace", {.role = Role::Identity, .live = true}),
    field<&Sysctl::path>("path", "its file below /proc/sys", {.role = Role::Identity, .live = true}),
    field<&Sysctl::value>("value", "its value", {.live = true}),
    field<&Sysctl::deaf>("deaf", "foreign links that learn nothing from router advertisements because of it",
                         {.live = true}),
    field<&Sysctl::stalled>("stalled", "links of partd's that forward nothing all the same", {.live = true}),
};

// Reads free keys, however deep: net.ipv4.ip_forward = 1.
class SysctlReader {
public:
    SysctlReader(Sysctls& out, Diagnostics& problems) : out_(out), problems_(problems) {}

    bool read(const Value& value, const std::string& path) {
        for (const Member& member : *value.get_if<Object>()) {
            read_member(member, path);
        }
        return good_;
    }

private:
    void read_member(const Member& member, const std::string& path) {
        if (path.empty() && member.key.starts_with("net.")) {
            error(member.key_source,
                  fmt::format("\"{}\" in quotes is one key: write it without quotes", printable(member.key)));
            return;
        }
        const bool safe =
            !member.key.empty() && member.key != "." && member.key != ".." && !member.key.contains('/');
        if (!safe || (path.empty() && member.key != "net")) {
            error(member.key_source,
                  path.empty() && safe
                      ? fmt::format("\"{}\" is not a key of a network namespace: "
                                    "those begin with \"net.\"",
                                    member.key)
                      : fmt::format("\"{}\" cannot be a part of a key", printable(member.key)));
            return;
        }
        const std::string inner = path.empty() ? member.key : path + "/" + member.key;
        const auto* text = member.value.get_if<std::string>();
        const auto* integer = member.value.get_if<std::int64_t>();
        const auto* boolean = member.value.get_if<bool>();
        if (member.value.get_if<Object>() != nullptr) {
            read(member.value, inner);
        } else if (text != nullptr) {
            add(inner, one_line(*text), member);
        } else if (integer != nullptr) {
            add(inner, std::to_string(*integer), member);
        } else if (boolean != nullptr) {
            add(inner, *boolean ? "1" : "0", member);
        } else {
            report_unexpected(member.value, "a number, a string or a boolean", problems_);
            good_ = false;
        }
    }

    void add(const std::string& path, std::string value, const Member& member) {
        const std::string own = canonical_sysctl(path);
        const auto other = std::ranges::find(out_.entries, own, &SysctlEntry::path);
        if (other == out_.entries.end()) {
            out_.entries.push_back({own, std::move(value), member.value.source});
        } else if (!same_sysctl(value, other->value)) {
            problems_.error(
                member.value.source,
                fmt::format("{} is another name of {}, which is declared as \"{}\"", path, own, other->value),
                other->at, "the other declaration");
            good_ = false;
        }
    }
    void error(const Source& at, std::string message) {
        problems_.error(at, std::move(message));
        good_ = false;
    }

    Sysctls& out_;
    Diagnostics& problems_;
    bool good_ = true;
};

Spec read_sysctls(const Table&, const Value& value, std::span<const std::string_view>, Diagnostics& problems,
                  Places*) {
    Sysctls sysctls;
    return SysctlReader(sysctls, problems).read(value, "") ? Spec(std::move(sysctls)) : Spec();
}

// Tables of any names, so many levels deep, with plain values in them.
Value nested_schema(int levels) {
    Value nested;
    nested.set("type", "object");
    if (levels > 0) {
        nested.set("additionalProperties", nested_schema(levels - 1));
    }
    Value plain;
    plain.set("type", Array{"integer", "string", "boolean"});
    Value schema;
    schema.set("anyOf", Array{std::move(plain), std::move(nested)});
    return schema;
}

Value sysctl_schema() {
    constexpr int kLevels = 7;
    Value net;
    net.set("type", "object");
    net.set("additionalProperties", nested_schema(kLevels));
    Value schema;
    schema.set("type", "object");
    schema.set("description", Sysctls::table.description);
    schema.set("additionalProperties", false);
    schema.set("properties", Object()).set("net", std::move(net));
    return schema;
}

constexpr Declaration kLanguage[] = {
    {.path = "partition.*.sysctl", .table = &Sysctls::table, .read = read_sysctls, .schema = sysctl_schema},
};

// As sysctl(8) writes it: dots for slashes and slashes for dots.
std::string dotted(std::string path) {
    for (char& c : path) {
        c = c == '/' ? '.' : c == '.' ? '/' : c;
    }
    return path;
}

// net/ipv4/conf/eth0/…, net/ipv6/neigh/eth0/…
bool concerns(const std::string& path, const std::string& interface) {
    const auto parts = split(path, '/');
    constexpr std::size_t kName = 3;
    return parts.size() > kName && parts[kName] == interface &&
           (parts[kName - 1] == "conf" || parts[kName - 1] == "neigh");
}

using Interfaces = decltype(interfaces_by_netns(std::declval<const Declared&>()));

void want(const SysctlEntry& entry, const std::string& partition, Interfaces& interfaces, State& desired) {
    const Key netns = netns_key(partition);
    Resource resource{.key = sysctl_key(partition, entry.path),
                      .spec = Spec(Sysctl{.netns = partition, .path = entry.path, .value = entry.value}),
                      .owner = partition,
                      .source = entry.at,
                      .depends_on = {netns},
                      .contained_in = {netns}};
    for (const Interface& interface : interfaces[partition]) {
        if (interface.link && concerns(entry.path, interface.name)) {
            resource.depends_on.push_back(*interface.link);
            resource.contained_in.push_back(*interface.link);
        }
    }
    desired.add(std::move(resource));
}

// A partition with a user namespace of its own can ping as any of its groups, as systemd-nspawn(1) has it.
void expand_defaults(const Declared& declared, Interfaces& interfaces, State& desired) {
    for (const DeclaredObject* object : declared.all<Partition>()) {
        const std::string& name = object->owner;
        const std::string groups =
            has_netns(declared, name) ? default_ping_groups(declared, name) : std::string();
        if (!groups.empty() && desired.find(sysctl_key(name, kPingGroups)) == nullptr) {
            want({kPingGroups, groups, object->source}, name, interfaces, desired);
        }
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    auto by_netns = interfaces_by_netns(declared);
    for (const DeclaredObject* object : declared.all<Sysctls>()) {
        if (!has_netns(declared, object->owner)) {
            problems.error(
                object->source,
                fmt::format("partition {} has no network namespace of its own for a sysctl", object->owner));
            continue;
        }
        for (const SysctlEntry& entry : object->spec.as<Sysctls>().entries) {
            want(entry, object->owner, by_netns, desired);
        }
    }
    expand_defaults(declared, by_netns, desired);
}

// Orders parameters from general to special, so that the most special one is written last: "default" is
// copied to new interfaces, and "all" overwrites those of existing ones.
void order_parameters(State& desired, Resource& resource) {
    const auto& sysctl = resource.spec.as<Sysctl>();
    const auto own = InterfaceSysctl::parse(sysctl.path);
    if (!own || own->interface == "all") {
        return;
    }
    const auto need = [&](const std::string& path) {
        if (const Key key = sysctl_key(sysctl.netns, path); desired.find(key) != nullptr) {
            resource.depends_on.push_back(key);
        }
    };
    for (const std::string& path : spreading_over(sysctl.path)) {
        need(path);
    }
}

// By namespace: the links with an end in it, and the addresses of IPv6.
struct Concerned {
    std::multimap<std::string, Key> links;
    std::multimap<std::string, const Resource*> addresses;
};

Concerned concerned_by_parameters(const State& desired) {
    Concerned all;
    for (const Resource& resource : desired.all()) {
        if (resource.key.kind == &kLink.kind) {
            for (const LinkEnd* end : ends_of(resource.spec)) {
                all.links.emplace(end->netns, resource.key);
            }
        } else if (resource.key.kind == &kAddress.kind &&
                   resource.spec.as<InterfaceAddress>().address.ip.v6()) {
            all.addresses.emplace(resource.spec.as<InterfaceAddress>().netns, &resource);
        }
    }
    return all;
}

// A new interface begins with the general parameters, and has no address of IPv6 where IPv6 is off.
void precede_concerned(const Concerned& concerned, Resource& resource) {
    const auto& sysctl = resource.spec.as<Sysctl>();
    const auto own = InterfaceSysctl::parse(sysctl.path);
    if (!own || sysctl.netns.empty()) {
        return;
    }
    if (own->is_general()) {
        for (auto [link, last] = concerned.links.equal_range(sysctl.netns); link != last; ++link) {
            resource.precedes.push_back(link->second);
        }
    }
    if (own->name == "disable_ipv6" && own->interface != "default") {
        for (auto [address, last] = concerned.addresses.equal_range(sysctl.netns); address != last;
             ++address) {
            const auto& interface = address->second->spec.as<InterfaceAddress>().interface;
            if (own->interface == "all" || own->interface == interface) {
                resource.precedes.push_back(address->second->key);
            }
        }
    }
}

void complete(const Declared&, State& desired, Diagnostics&) {
    const Concerned concerned = concerned_by_parameters(desired);
    for (Resource& resource : desired.all()) {
        if (resource.key.kind == &kSysctl.kind) {
            order_parameters(desired, resource);
            precede_concerned(concerned, resource);
        }
    }
}

}  // namespace

constinit const Table Sysctls::table = {
    "sysctl",
    "Kernel parameters of the partition's network namespace, in any form that the kernel accepts. A "
    "parameter that is no longer declared gets the value back that it had before partd. "
    "net.ipv4.ping_group_range takes gids inside; in a partition with users of its own that does not declare "
    "it, all groups may ping.",
    {}};
constinit const Table Sysctl::table = {"sysctl", "One kernel parameter.", kFields};

Key sysctl_key(std::string_view netns, const std::string& path) {
    return {&kSysctl.kind,
            netns.empty() ? "host:" + dotted(path) : fmt::format("{} {}", netns, dotted(path))};
}

Sysctl parse_sysctl_key(const std::string& name) {
    const bool host = name.starts_with("host:");
    const std::size_t blank = name.find(' ');
    return {.netns = host ? "" : name.substr(0, blank), .path = dotted(name.substr(host ? 5 : blank + 1))};
}

Key host_sysctl_key(const std::string& path) {
    return sysctl_key("", path);
}

Resource& want_host_sysctl(State& desired, const std::string& path, const std::string& value,
                           const std::string& owner, const Source& source) {
    return desired.add({.key = sysctl_key("", path),
                        .spec = Spec(Sysctl{.netns = "", .path = path, .value = value}),
                        .owner = owner,
                        .source = source});
}

constinit const LiveKind kSysctl = {
    .kind = {.name = "sysctl",
             .language = kLanguage,
             .phase = Phase::Network,
             .expand = expand,
             .complete = complete,
             .summary = [](const Spec& spec) { return "= " + spec.as<Sysctl>().value; },
             .independent = true},
    .observe = observe_sysctls,
    .apply = apply_sysctl,
    .watch = watch_switch,
};

}  // namespace partd
