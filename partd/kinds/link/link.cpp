// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/link.h"

#include "kinds/link/interfaces.h"
#include "kinds/link/live.h"
#include "kinds/link/trust.h"
#include "kinds/marks.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kLoopbackFields[] = {
    field<&Loopback::address>("address", "addresses besides 127.0.0.1 and ::1", {.role = Role::Declared}),
};

constexpr Field kStrangersFields[] = {
    field<&Strangers::what>("kind", "what kind of interface it is", {.role = Role::Replace, .live = true}),
};

// The types that are known, but not built yet.
constexpr std::string_view kReserved[] = {"macvlan", "ipvlan", "vxlan", "gre", "bond",    "wireguard",
                                          "vrf",     "ifb",    "tun",   "tap", "physical"};

std::span<const Declaration> language() {
    static const auto kAll = [] {
        std::vector<Declaration> all;
        std::ranges::transform(link_types(), std::back_inserter(all), &LinkType::declaration);
        for (const std::string_view word : kReserved) {
            if (find_link_type(word) == nullptr) {
                all.push_back({.path = link::kPath, .selector = word});
            }
        }
        all.push_back(declaration<Loopback>("partition.*.link.lo"));
        return all;
    }();
    return kAll;
}

void require_netns(const Declared& declared, const DeclaredObject& object, std::string_view link,
                   Diagnostics& problems) {
    if (!has_netns(declared, object.owner)) {
        problems.error(
            object.source,
            fmt::format("partition {} has no network namespace of its own for link {}", object.owner, link));
    }
}

// Reports addresses and MTUs that the kernel would refuse (eth_validate_addr(), addrconf_add_dev()).
void check_end(const DeclaredObject& link, Side side, Diagnostics& problems) {
    constexpr std::int64_t kLeastForIpv6 = 1280;  // RFC 8200, section 5
    const LinkType& type = *type_of(link.spec);
    const LinkEnd& self = *type.end(link.spec.data(), Side::Self);
    const LinkEnd* end = type.end(link.spec.data(), side);
    if (end == nullptr) {
        return;
    }
    const std::string prefix = side == Side::Self ? "" : "peer.";
    if (end->mac && ((end->mac->bytes[0] & 1) != 0 || *end->mac == Mac())) {
        problems.error(link.place(prefix + "mac"),
                       fmt::format("{} is not a hardware address of one interface", end->mac->text()));
    }
    if (end->name == "lo") {
        problems.error(link.place(prefix + "name"), "lo is the loopback interface of every namespace");
    }
    const auto mtu = end->mtu ? end->mtu : self.mtu;
    const auto v6 = [](const auto& address) { return address.value.ip.v6(); };
    if (mtu && *mtu < kLeastForIpv6 && std::ranges::any_of(*type.addresses(link.spec.data(), side), v6)) {
        problems.error(link.place(end->mtu ? prefix + "mtu" : "mtu"),
                       fmt::format("IPv6 needs an MTU of at least {}", kLeastForIpv6));
    }
}

const DeclaredObject* find_declared(const std::vector<const DeclaredObject*>& links, std::string_view name) {
    const auto found = std::ranges::find(links, name, [](const auto* each) { return each->name; });
    return found == links.end() ? nullptr : *found;
}

// Reports a bridge that is not there, or that the link cannot be a port of.
void check_bridge(const Declared& declared, const DeclaredObject& link, Diagnostics& problems) {
    const LinkType& type = *type_of(link.spec);
    const auto& bridge = type.end(link.spec.data(), Side::Self)->bridge;
    if (!bridge) {
        return;
    }
    const DeclaredObject* found = find_declared(declared_links(declared, link.owner), *bridge);
    if (found == nullptr) {
        problems.error(link.place("bridge"),
                       fmt::format("there is no [partition.{}.link.{}] for {} to be a port of", link.owner,
                                   std::string(*bridge), link.name));
    } else if (!type_of(found->spec)->ops.has_ports) {
        problems.error(
            link.place("bridge"),
            fmt::format("{} is a {}, and has no ports", std::string(*bridge), type_of(found->spec)->name),
            found->source, "that link");
    } else if (type.ops.has_ports) {
        problems.error(link.place("bridge"),
                       fmt::format("{} is a {}, which is not a port of another one", link.name, type.name));
    }
}

const std::optional<Lower>& parent_of(const DeclaredObject& link) {
    return type_of(link.spec)->end(link.spec.data(), Side::Self)->parent;
}

using Interfaces = std::map<std::string, std::vector<Interface>>;

// The interface that the link stands on, whoever declared it; nullptr where it names none that is declared.
const Interface* lower_of(const Interfaces& interfaces, const DeclaredObject& link) {
    const auto& parent = parent_of(link);
    const auto found = interfaces.find(parent && parent->on_host() ? "" : link.owner);
    if (!parent || found == interfaces.end()) {
        return nullptr;
    }
    const auto lower = std::ranges::find(found->second, parent->name(), &Interface::name);
    return lower == found->second.end() ? nullptr : &*lower;
}

// The link's lower interfaces, the next one first; of links that stand on each other each once.
std::vector<const Interface*> all_below(const Interfaces& interfaces, const DeclaredObject& link) {
    std::vector<const Interface*> all;
    const Interface* lower = lower_of(interfaces, link);
    while (lower != nullptr && std::ranges::find(all, lower) == all.end()) {
        all.push_back(lower);
        lower = lower->link ? lower_of(interfaces, *lower->declared) : nullptr;
    }
    return all;
}

// The MTU of the first of these interfaces that tells it. nullopt where none does: a bridge has its ports',
// and who knows what an interface of others has.
std::optional<std::int64_t> mtu_of(const std::vector<const Interface*>& lowers) {
    constexpr std::int64_t kUsual = 1500;
    for (const Interface* lower : lowers) {
        const LinkType* type = lower->link ? type_of(lower->declared->spec) : nullptr;
        if (lower->mtu || type == nullptr || type->ops.has_ports) {
            return lower->mtu;
        }
        if (!type->ops.has_parent) {
            return kUsual;
        }
    }
    return std::nullopt;
}

// Reports a lower link that carries no other, that is narrower, or that stands on this one itself.
void check_lower(const Interfaces& interfaces, const DeclaredObject& link, const Interface& lower,
                 Diagnostics& problems) {
    const LinkEnd& end = *type_of(link.spec)->end(link.spec.data(), Side::Self);
    if (!lower.link) {
        problems.error(link.place("parent"), fmt::format("{} carries no other link", lower.name));
        return;
    }
    const auto lowers = all_below(interfaces, link);
    const auto mtu = mtu_of(lowers);
    if (end.mtu && mtu && *end.mtu > *mtu) {
        problems.error(link.place("mtu"), fmt::format("{} is larger than the MTU of {}, which is {}",
                                                      *end.mtu, lower.name, *mtu));
    }
    if (end.bridge && lower.netns == link.owner && *end.bridge == lower.name) {
        problems.error(link.place("bridge"),
                       fmt::format("{} stands on {} and cannot be a port of it", link.name, lower.name));
    }
    if (std::ranges::find(lowers, &link, &Interface::declared) != lowers.end()) {
        problems.error(link.place("parent"), fmt::format("{} stands on itself", link.name));
    }
}

void check_parent(const Interfaces& interfaces, const DeclaredObject& link, Diagnostics& problems) {
    const auto& parent = parent_of(link);
    const Interface* lower = lower_of(interfaces, link);
    if (lower != nullptr) {
        check_lower(interfaces, link, *lower, problems);
    } else if (parent && !parent->on_host()) {
        problems.error(link.place("parent"),
                       parent->name() == "lo"
                           ? "lo carries no other link"
                           : fmt::format("there is no [partition.{}.link.{}] for {} to stand on", link.owner,
                                         parent->name(), link.name));
    }
}

void check(const Declared& declared, const Interfaces& interfaces, const DeclaredObject& link,
           Diagnostics& problems) {
    require_netns(declared, link, link.name, problems);
    const LinkType& type = *type_of(link.spec);
    if (type.ops.check != nullptr) {
        type.ops.check(declared, link, problems);
    }
    check_end(link, Side::Self, problems);
    check_end(link, Side::Peer, problems);
    check_bridge(declared, link, problems);
    check_parent(interfaces, link, problems);
    constexpr std::size_t kMostAlias = 128;  // of the kernel's 255 bytes; the mark needs the others
    const auto& alias = type.end(link.spec.data(), Side::Self)->alias;
    if (alias && alias->size() > kMostAlias) {
        problems.error(link.place("alias"), fmt::format("an alias has at most {} bytes", kMostAlias));
    }
}

void expand_link(const Declared& declared, const Interfaces& interfaces, const DeclaredObject& link,
                 State& desired) {
    std::vector<LinkEnd> ends = declared_ends(declared, link);
    decide_trust(declared, link, ends);
    // The alias is partd's, and so are the ports of its bridges: what is not declared goes.
    ends[0].alias = ends[0].alias.value_or("");
    ends[0].bridge = ends[0].bridge.value_or(IfName());
    const bool on_host = std::ranges::any_of(ends, [](const LinkEnd& end) { return end.netns.empty(); });
    Resource resource{.key = link_key(link.owner, link.name),
                      .spec = type_of(link.spec)->wanted(link, ends),
                      .owner = link.owner,
                      .source = link.source,
                      .places = link.places,
                      .phase = on_host ? Phase::HostLink : Phase::Network};
    for (const LinkEnd& end : ends) {
        resource.exclusive_names.push_back(name_claim(end));
        if (!end.netns.empty()) {
            resource.contained_in.push_back(netns_key(end.netns));
        }
    }
    if (const Interface* lower = lower_of(interfaces, link); lower != nullptr && lower->link) {
        resource.contained_in.push_back(*lower->link);
    }
    if (const auto name = type_of(link.spec)->ops.exclusive_name; name != nullptr) {
        resource.exclusive_names.push_back(name(resource.spec.data()));
    }
    resource.depends_on = resource.contained_in;
    if (!ends[0].bridge->empty()) {
        resource.depends_on.push_back(link_key(link.owner, *ends[0].bridge));
    }
    desired.add(std::move(resource));
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Loopback>()) {
        require_netns(declared, *object, "lo", problems);
    }
    const auto links = declared_links(declared);
    const bool stand_on_others =
        std::ranges::any_of(links, [](const auto* link) { return parent_of(*link).has_value(); });
    const Interfaces interfaces = stand_on_others ? interfaces_by_netns(declared) : Interfaces();
    for (const DeclaredObject* link : links) {
        check(declared, interfaces, *link, problems);
        expand_link(declared, interfaces, *link, desired);
    }
}

std::string summary(const Spec& spec) {
    if (spec.is<Strangers>()) {
        return "— " + spec.as<Strangers>().what;
    }
    const LinkType& type = *type_of(spec);
    if (const auto& parent = type.end(spec.data(), Side::Self)->parent) {
        return fmt::format("{} on {}", type.name, std::string(*parent));
    }
    const LinkEnd* peer = type.end(spec.data(), Side::Peer);
    const std::string other = peer == nullptr      ? ""
                              : peer->name.empty() ? " — nothing"
                                                   : " — " + place_text(peer->netns, peer->name);
    return std::string(type.name) + other;
}

void watch(const Resource& wanted, kernel::Host&, std::vector<std::string>& topics) {
    for (const LinkEnd* end : ends_of(wanted.spec)) {
        if (end->netns.empty()) {
            topics.push_back(kernel::link_topic(end->name));
            topics.push_back(kernel::alias_topic(end->mark));
        }
        if (end->parent && end->parent->on_host()) {
            topics.push_back(kernel::link_topic(end->parent->name()));
        }
    }
}

}  // namespace

constinit const Table Loopback::table = {"link lo", "The loopback interface.", kLoopbackFields};

constinit const Table Strangers::table = {"link", "Interfaces that others made in a link's place.",
                                          kStrangersFields};

bool is_replaceable(const std::string& netns, const kernel::Link& link) {
    return !netns.empty() && !link.kind.empty() && !link.leads_out;
}

std::string stranger_text(const std::string& netns, const kernel::Link& link) {
    return fmt::format("{} is an interface ({}, index {}) that partd did not make",
                       place_text(netns, link.name), link.kind.empty() ? "hardware" : link.kind, link.index);
}

std::optional<Lower> Lower::parse(std::string_view text) {
    const std::string_view name = text.substr(text.starts_with(kHost) ? kHost.size() : 0);
    return IfName::parse(name) ? std::optional(Lower(std::string(text).c_str())) : std::nullopt;
}

Key link_key(std::string_view partition, std::string_view link) {
    return {&kLink.kind, fmt::format("{}/{}", partition, link)};
}

LinkEnd self_end(const DeclaredObject& link) {
    LinkEnd end = *type_of(link.spec)->end(link.spec.data(), Side::Self);
    end.netns = link.owner;
    end.name = IfName(link.name.c_str());
    end.mark = LinkMark{link.owner, link.name, false}.text();
    return end;
}

std::vector<LinkEnd> declared_ends(const Declared& declared, const DeclaredObject& link) {
    const auto ends = type_of(link.spec)->ops.ends;
    return ends == nullptr ? std::vector<LinkEnd>{self_end(link)} : ends(declared, link);
}

std::vector<const LinkEnd*> ends_of(const Spec& link) {
    std::vector<const LinkEnd*> ends;
    if (const LinkType* type = type_of(link)) {
        ends.push_back(type->end(link.data(), Side::Self));
        if (const LinkEnd* peer = type->end(link.data(), Side::Peer)) {
            ends.push_back(peer);
        }
    }
    return ends;
}

std::string named_end_altname(std::string_view partition, std::string_view link) {
    return fmt::format("pv-{}.{}", partition, link);
}

std::string name_claim(const LinkEnd& end) {
    return fmt::format("the interface name {}{}", end.name,
                       end.netns.empty() ? " on the host" : " in partition " + end.netns);
}

constinit const LiveKind kLink = {
    .kind = {.name = "link",
             .declarations = language,
             .phase = Phase::HostLink,
             .expand = expand,
             .former =
                 [](std::string_view kind, std::string_view name) {
                     return kind == "veth" ? std::optional<std::string>(name) : std::nullopt;
                 },
             .summary = summary,
             .independent = true},
    .observe = observe_links,
    .apply = apply_link,
    .rehearse = rehearse_link,
    .watch = watch,
};

}  // namespace partd
