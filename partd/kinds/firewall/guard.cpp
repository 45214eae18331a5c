// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/guard.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/file/sysctl_files.h"
#include "kinds/firewall/table.h"
#include "kinds/host/host.h"
#include "kinds/host/switches.h"
#include "kinds/host/uplinks.h"
#include "kinds/nat/layout.h"

#include <linux/netfilter.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>

namespace partd {

namespace {

using kernel::nft::Element;

constexpr Field kFields[] = {
    field<&Guard::manual>("manual", "it is nobody's duty", {.role = Role::Identity, .live = true}),
    field<&Guard::open>("open", "families and uplinks of which others' packets would be forwarded",
                        {.live = true}),
    field<&Guard::shut>("shut", "families and links of which others' packets are dropped for no reason",
                        {.live = true}),
};

constexpr char kComment[] = "partd guard";
constexpr std::string_view kUplink = "uplink ";
constexpr std::string_view kTurn = "turn ";
constexpr std::string_view kRouter = "router ";
// Whatever is left of it stays with the host, and belongs to no partition.
constexpr char kHostItself[] = "[host]";

struct Family {
    std::string_view name;
    std::uint8_t number;  // NFPROTO_*
    const char* path;     // of its switch
    std::span<const std::string_view> all_paths;
    const char* anywhere;  // an address that is routed as most of the world is
};
constexpr std::string_view kPaths4[] = {kForwarding4, "net/ipv4/conf/all/forwarding"};
constexpr std::string_view kPaths6[] = {kForwarding6};
constexpr std::array kFamilies = {Family{"ipv4", NFPROTO_IPV4, kForwarding4, kPaths4, "11.0.0.1"},
                                  Family{"ipv6", NFPROTO_IPV6, kForwarding6, kPaths6, "2600::1"}};

// The element of that name: a family, "uplink br0", "router eth1", "turn br0". The last lets
// pass what comes back by the link by which it came: packets between the ports of a bridge may pass the
// firewall too.
Element element_of(const std::string& name) {
    for (const auto& [word, set] : {std::pair(kUplink, nat::kUplinks), std::pair(kRouter, nat::kRouters)}) {
        if (name.starts_with(word)) {
            return {.set = set, .key = nat::Bytes().interface(name.substr(word.size())).done(), .data = {}};
        }
    }
    if (name.starts_with(kTurn)) {
        const std::string link = name.substr(kTurn.size());
        return {.set = nat::kTurned, .key = nat::Bytes().interface(link).interface(link).done(), .data = {}};
    }
    const auto family = std::ranges::find(kFamilies, name, &Family::name);
    return {.set = nat::kGuarded, .key = {family->number}, .data = {}};
}

std::string name_of(const Element& element) {
    if (element.key.empty()) {
        return {};  // somebody else's, in a set of another type
    }
    if (element.set != nat::kGuarded) {
        const auto word = element.set == nat::kUplinks   ? kUplink
                          : element.set == nat::kRouters ? kRouter
                                                         : kTurn;
        return std::string(word) + nat::interface_of(element);
    }
    const auto family = std::ranges::find(kFamilies, element.key.front(), &Family::number);
    return family == kFamilies.end() ? std::string() : std::string(family->name);
}

// Stands wherever the table does, and before the host forwards.
void complete(const Declared& declared, State& desired, Diagnostics&) {
    const Resource* table = desired.find(table_key());
    if (table == nullptr) {
        return;
    }
    const auto settings = declared.all<HostSettings>();
    const bool manual =
        !settings.empty() && settings.front()->spec.as<HostSettings>().forwarding == Forwarding::Manual;
    Resource guard{.key = guard_key(),
                   .spec = Spec(Guard{.manual = manual, .open = {}, .shut = {}}),
                   .source = table->source,
                   .depends_on = {table_key()}};
    for (const Family& family : kFamilies) {
        guard.precedes.push_back(host_sysctl_key(family.path));
    }
    desired.add(std::move(guard));
}

// Off where the host has no such family.
Result<bool> is_on(const Family& family) {
    const auto value = kernel::read_file(std::string("/proc/sys/") + family.path);
    if (!value && value.error().is_shortage()) {
        return std::unexpected(value.error());
    }
    return value && trim(*value) != "0";
}

// True if the host forwards, or is about to, because of partd alone. An existing guard proves that too, in
// case the ledger was lost.
bool is_duty(Observation& observation, const Family& family, bool guarded, bool on) {
    const Key key = host_sysctl_key(family.path);
    const LedgerEntry* made = observation.ledger.find({key.kind->name, key.name});
    const Resource* wanted = observation.desired.find(key);
    const bool will_be = wanted != nullptr && wanted->spec.as<Sysctl>().value != "0";
    const bool by_us = guarded || was_off(made).value_or(!on);
    return by_us && (on || will_be) &&
           kernel::configured_sysctl(observation.host.paths().root, family.all_paths).value_or("0") == "0";
}

// The link by which the host reaches any address out there; nullopt where no route leads there.
Result<std::optional<kernel::Link>> way_to(kernel::NetlinkSocket& routes, const char* anywhere) {
    const Ip address = *Ip::parse(anywhere);
    kernel::Message request(RTM_GETROUTE, 0);
    rtmsg head{};
    head.rtm_family = address.family();
    head.rtm_dst_len = address.bits();
    request.head(head).ip(RTA_DST, address);
    int index = 0;
    // A missing route is not an error here.
    (void)routes.request(std::move(request), [&](const kernel::Reply& reply) {
        index = reply.attributes<rtmsg>().number<int>(RTA_OIF).value_or(0);
    });
    return index == 0 ? Result<std::optional<kernel::Link>>(std::nullopt) : kernel::get_link(routes, index);
}

struct Uplinks {
    std::set<std::string> names = {};  // of their elements; a link without a kind is one by its nature
    // Every guarded family has a way out, so that no other link is one. A way that is lost comes back mostly.
    bool all = true;
};

Result<Uplinks> uplinks_of(kernel::Host& host, const std::set<std::string_view>& families) {
    auto self = host.netns("");
    PARTD_TRY(self);
    Uplinks uplinks;
    for (const Family& family : kFamilies) {
        const auto link = way_to((*self)->route(), family.anywhere);
        PARTD_TRY(link);
        uplinks.all &= *link || !families.contains(family.name);
        if (*link && !(*link)->kind.empty()) {
            uplinks.names.insert(std::string(kUplink) + (*link)->name);
            uplinks.names.insert(std::string(kTurn) + (*link)->name);
        }
    }
    return uplinks;
}

bool is_uplink(const std::string& name) {
    return name.starts_with(kUplink) || name.starts_with(kTurn);
}

// Notes the uplinks that are not known yet, and those that are none any more.
Result<> compare_uplinks(kernel::Host& host, const std::set<std::string_view>& families,
                         const std::set<std::string>& there, Guard& seen) {
    const auto now = uplinks_of(host, families);
    PARTD_TRY(now);
    std::ranges::set_difference(now->names, there, std::back_inserter(seen.open.names));
    for (const std::string& name : there) {
        if (now->all && is_uplink(name) && !now->names.contains(name)) {
            seen.shut.names.push_back(name);
        }
    }
    return {};
}

// Links that forwarded IPv4 by themselves before the host did as a whole, which turns on the switch of each:
// known from then on by the ledger, or by the table.
Result<std::set<std::string>> routers(Observation& observation, const std::set<std::string>& there) {
    std::set<std::string> names;
    const auto add = [&](const auto& links) {
        for (const auto& link : links) {
            names.insert(std::string(kRouter) + std::string(link));
        }
    };
    if (const LedgerEntry* made = observation.ledger.find({kGuard.kind.name, guard_key().name})) {
        add(words(made->identity));
    }
    const auto on = is_on(kFamilies.front());
    PARTD_TRY(on);
    if (!*on) {
        const auto now = forwarding_links(observation.host);
        PARTD_TRY(now);
        add(*now);
    }
    std::ranges::copy_if(there, std::inserter(names, names.end()),
                         [](const std::string& name) { return name.starts_with(kRouter); });
    return names;
}

// For the ledger: "eth1 eth2".
std::string identity_of(const std::set<std::string>& routers) {
    std::vector<std::string> links;
    for (const std::string& name : routers) {
        links.push_back(name.substr(kRouter.size()));
    }
    return join(links, " ");
}

// The names of the elements that are there.
Result<std::set<std::string>> guarded(Observation& observation) {
    std::set<std::string> names;
    if (!observation.nftables) {
        return names;
    }
    auto nftables = observation.host.nftables();
    PARTD_TRY(nftables);
    for (const char* set : {nat::kGuarded, nat::kUplinks, nat::kRouters, nat::kTurned}) {
        if (observation.nftables->sets.contains(set)) {
            auto found = (*nftables)->elements(nat::kTableName, set);
            PARTD_TRY(found);
            for (const auto& stored : *found) {
                names.insert(name_of(stored.element));
            }
        }
    }
    return names;
}

// Once nothing is declared any more, the host may forward still, and the guard stays for as long.
void keep_alone(Observation& observation, Guard seen) {
    observation.observed.add({.key = guard_key(),
                              .spec = Spec(std::move(seen)),
                              .owner = kHostItself,
                              .depends_on = {table_key()},
                              .ownership = Ownership::Ours,
                              .kept = true,
                              .marked = true});
}

Result<> observe(Observation& observation) {
    const Resource* wanted = observation.desired.find(guard_key());
    auto there = guarded(observation);
    PARTD_TRY(there);
    Guard seen;
    seen.manual = wanted != nullptr && wanted->spec.as<Guard>().manual;
    std::set<std::string_view> duties;
    for (const Family& family : kFamilies) {
        const std::string name(family.name);
        const auto on = is_on(family);
        PARTD_TRY(on);
        const bool duty = !seen.manual && is_duty(observation, family, there->contains(name), *on);
        if (duty) {
            duties.insert(family.name);
        }
        if (duty && !there->contains(name)) {
            seen.open.names.push_back(name);
        } else if (!duty && there->contains(name) && *on) {
            seen.shut.names.push_back(name);
        }
    }
    if (wanted == nullptr) {
        if (!duties.empty() && observation.nftables && !there->empty()) {
            keep_alone(observation, {});
        }
        return {};
    }
    const auto own_way = routers(observation, *there);
    PARTD_TRY(own_way);
    if (!duties.empty()) {
        PARTD_TRY(compare_uplinks(observation.host, duties, *there, seen));
        std::ranges::set_difference(*own_way, *there, std::back_inserter(seen.open.names));
    }
    observation.observed.add({.key = guard_key(),
                              .spec = Spec(std::move(seen)),
                              .depends_on = wanted->depends_on,
                              .ownership = Ownership::Ours,
                              .marked = true,
                              .identity = identity_of(*own_way)});
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    const Guard found = change.found ? change.found.as<Guard>() : Guard();
    for (const std::string& name : found.open.names) {
        context.batch.nftables().add_element(number, element_of(name), kComment);
    }
    for (const std::string& name : found.shut.names) {
        context.batch.nftables().remove_element(number, element_of(name));
    }
    return {};
}

}  // namespace

constinit const Table Guard::table = {
    "guard", "Packets of others, which the host would forward because of partd alone, are dropped.", kFields};

Key guard_key() {
    return {&kGuard.kind, "host"};
}

constinit const LiveKind kGuard = {
    .kind = {.name = "guard", .complete = complete, .channel = "nftables", .backstage = true},
    .observe = observe,
    .apply = apply,
    .watch =
        [](const Resource&, kernel::Host&, std::vector<std::string>& topics) {
            topics.emplace_back(kernel::kDefaultRoute);
            topics.emplace_back(kernel::kSwitches);
        },
};

}  // namespace partd
