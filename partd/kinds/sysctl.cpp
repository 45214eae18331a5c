#include "kinds/sysctl.h"

#include "base/text.h"
#include "kernel/files.h"
#include "kernel/kernel_file.h"
#include "kinds/netns.h"
#include "kinds/partition.h"
#include "kinds/topology.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Sysctl::netns>("netns", "the namespace", {.role = Role::Identity, .live = true}),
    field<&Sysctl::path>("path", "its file below /proc/sys", {.role = Role::Identity, .live = true}),
    field<&Sysctl::value>("value", "its value", {.live = true}),
};

// The kernel separates by tabs; people do by blanks.
std::string one_line(std::string_view text) {
    std::string line;
    for (const std::string_view word : words(text)) {
        line += (line.empty() ? "" : " ") + std::string(word);
    }
    return line;
}

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
                      ? fmt::format("\"{}\" is not a key of a network namespace: those begin with \"net.\"",
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
        out_.entries.push_back({path, std::move(value), member.value.source});
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

Key sysctl_key(std::string_view netns, const std::string& path) {
    return {&kSysctl.kind,
            netns.empty() ? "host:" + dotted(path) : fmt::format("{} {}", netns, dotted(path))};
}

// net/ipv4/conf/eth0/…, net/ipv6/neigh/eth0/…
bool concerns(const std::string& path, const std::string& interface) {
    const auto parts = split(path, '/');
    constexpr std::size_t kName = 3;
    return parts.size() > kName && parts[kName] == interface &&
           (parts[kName - 1] == "conf" || parts[kName - 1] == "neigh");
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
            const Key netns = netns_key(object->owner);
            Resource resource{.key = sysctl_key(object->owner, entry.path),
                              .spec = Spec(Sysctl{object->owner, entry.path, entry.value}),
                              .owner = object->owner,
                              .source = entry.at,
                              .needs = {netns},
                              .within = {netns}};
            for (const Interface& interface : by_netns[object->owner]) {
                if (interface.link && concerns(entry.path, interface.name)) {
                    resource.needs.push_back(*interface.link);
                    resource.within.push_back(*interface.link);
                }
            }
            desired.add(std::move(resource));
        }
    }
}

// What a new interface begins with has to stand before it.
void complete(const Declared&, State& desired, Diagnostics&) {
    for (const Resource& resource : desired.all()) {
        if (resource.key.kind != &kSysctl.kind || !resource.spec.as<Sysctl>().path.contains("/default/")) {
            continue;
        }
        for (Resource& other : desired.all()) {
            if (other.key.kind == &kVeth.kind && other.owner == resource.owner) {
                other.needs.push_back(resource.key);
            }
        }
    }
}

Result<std::string> read_value(Look& look, const Sysctl& sysctl) {
    auto netns = look.host.netns(sysctl.netns);
    PARTD_TRY(netns);
    std::string value;
    const auto read = [&]() -> Result<> {
        auto text = kernel::read_kernel_file("/proc/sys/" + sysctl.path);
        PARTD_TRY(text);
        value = one_line(*text);
        return {};
    };
    PARTD_TRY((*netns)->inside(read));
    return value;
}

bool stays_on(const Sysctl& sysctl) {
    return sysctl.netns.empty() && (sysctl.path == kForwarding4 || sysctl.path == kForwarding6);
}

Result<> observe_one(Look& look, const Key& key, const Sysctl& sysctl) {
    const bool there =
        sysctl.netns.empty() || std::ranges::find(look.netns, sysctl.netns) != look.netns.end();
    const auto value = there ? read_value(look, sysctl) : fail("");
    const LedgerEntry* entry = look.ledger.find({kSysctl.kind.name, key.name});
    const Resource* wanted = look.desired.find(key);
    if (!value && value.error().is_shortage()) {
        return std::unexpected(value.error());
    }
    if (!value || (wanted == nullptr && (entry == nullptr || stays_on(sysctl)))) {
        return {};
    }
    // A parameter is always there: ours is the value, and what it was before goes to the ledger.
    Resource found{
        .key = key,
        .spec = Spec(Sysctl{sysctl.netns, sysctl.path, *value}),
        .owner = wanted != nullptr ? wanted->owner : entry->owner,
        .standing = Standing::Ours,
        .marked = true,
        .identity = entry != nullptr && !entry->identity.empty() ? entry->identity : "was:" + *value};
    if (wanted != nullptr) {
        found.needs = wanted->needs;
        found.within = wanted->within;
    } else if (!sysctl.netns.empty()) {
        found.needs = found.within = {netns_key(sysctl.netns)};
    }
    look.observed.add(std::move(found));
    return {};
}

// The namespace and path that a key's name stands for.
Sysctl parse_key(const std::string& name) {
    const bool host = name.starts_with("host:");
    const std::size_t blank = name.find(' ');
    return {.netns = host ? "" : name.substr(0, blank),
            .path = dotted(name.substr(host ? 5 : blank + 1)),
            .value = {}};
}

Result<> observe(Look& look) {
    Result<> seen;
    look.for_wanted(kSysctl.kind, [&](const Resource& wanted) {
        seen = seen ? observe_one(look, wanted.key, wanted.spec.as<Sysctl>()) : seen;
    });
    for (const std::string& name : look.names_of(kSysctl.kind)) {
        const Key key{&kSysctl.kind, name};
        if (look.desired.find(key) == nullptr) {
            seen = seen ? observe_one(look, key, parse_key(name)) : seen;
        }
    }
    return seen;
}

// Routes that the host learns from router advertisements vanish with forwarding, unless their interfaces say
// that they are wanted anyway (accept_ra = 2, Documentation/networking/ip-sysctl.rst).
Result<> keep_learnt_routes(Doing& doing) {
    auto host = doing.host.netns("");
    PARTD_TRY(host);
    kernel::Message request(RTM_GETROUTE, NLM_F_DUMP);
    rtmsg head{};
    head.rtm_family = AF_INET6;
    request.head(head);
    auto routes = (*host)->route().collect(std::move(request));
    PARTD_TRY(routes);
    std::set<int> uplinks;
    for (const auto& reply : *routes) {
        if (reply.view().head<rtmsg>().rtm_protocol == RTPROT_RA) {
            uplinks.insert(reply.view().attributes<rtmsg>().number<int>(RTA_OIF).value_or(0));
        }
    }
    auto links = doing.host.links("");
    PARTD_TRY(links);
    for (const kernel::Link& link : **links) {
        const std::string path = "/proc/sys/net/ipv6/conf/" + link.name + "/accept_ra";
        if (uplinks.contains(link.index) && trim(kernel::read_file(path).value_or("")) == "1") {
            PARTD_TRY(kernel::write_kernel_file(path, "2"));
        }
    }
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t) {
    const bool removal = change.action == Action::Remove;
    Sysctl sysctl = (removal ? change.found : change.wanted).as<Sysctl>();
    if (removal) {
        sysctl.value =
            change.identity.substr(std::min<std::size_t>(4, change.identity.size()));  // behind "was:"
    }
    auto netns = doing.host.netns(sysctl.netns);
    PARTD_TRY(netns);
    doing.batch.count_write();
    if (sysctl.netns.empty() && sysctl.path == kForwarding6) {
        PARTD_TRY(keep_learnt_routes(doing));
    }
    return (*netns)->inside([&]() -> Result<> {
        const std::string path = "/proc/sys/" + sysctl.path;
        if (change.action == Action::Create) {
            doing.learnt.emplace_back(change.key, "was:" + one_line(kernel::read_file(path).value_or("")));
        }
        return kernel::write_kernel_file(path, sysctl.value);
    });
}

}  // namespace

constinit const Table Sysctls::table = {
    "sysctl", "Kernel parameters of the partition's network namespace.", {}};
constinit const Table Sysctl::table = {"sysctl", "One kernel parameter.", kFields};

Resource& want_host_sysctl(State& desired, const std::string& path, const std::string& value,
                           const std::string& owner, const Source& source) {
    return desired.add({.key = sysctl_key("", path),
                        .spec = Spec(Sysctl{"", path, value}),
                        .owner = owner,
                        .source = source});
}

constinit const LiveKind kSysctl = {
    .kind = {.name = "sysctl",
             .table = &Sysctl::table,
             .language = kLanguage,
             .expand = expand,
             .complete = complete,
             .summary = [](const Spec& spec) { return "= " + spec.as<Sysctl>().value; },
             .apart = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
