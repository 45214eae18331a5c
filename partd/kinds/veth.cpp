#include "kinds/veth.h"

#include "kinds/netns.h"
#include "kinds/own_routes.h"
#include "kinds/partition.h"
#include "kinds/topology.h"
#include "kinds/veth_observe.h"
#include "kinds/veth_requests.h"
#include "kinds/veth_trust.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr FieldOptions kMtu = {.min = 68, .max = 65535, .unit = "bytes", .fallback = "the kernel's: 1500"};

constexpr Field kFields[] = {
    field<&Veth::kind>("kind", "what kind of interface it is", {.role = Role::Declared, .fallback = "veth"}),
    field<&Veth::self, &LinkEnd::netns>("netns", "the namespace of its end in the partition",
                                        {.role = Role::Replace, .live = true}),
    field<&Veth::self, &LinkEnd::name>("name", "its name there", {.live = true}),
    field<&Veth::address>("address", "its addresses", {.role = Role::Declared}),
    field<&Veth::self, &LinkEnd::mtu>("mtu", "largest packet", kMtu),
    field<&Veth::self, &LinkEnd::mac>("mac", "hardware address", {.fallback = "random"}),
    field<&Veth::self, &LinkEnd::up>("up", "the interface is up", {.fallback = "true"}),
    field<&Veth::self, &LinkEnd::alias>("alias", "free text kept with the interface"),
    field<&Veth::self, &LinkEnd::mark>("mark", "partd's mark on it", {.live = true}),
    field<&Veth::self, &LinkEnd::trusting>("trusting", "it takes routes from the other end", {.live = true}),
    field<&Veth::self, &LinkEnd::probing>("probing", "its IPv6 addresses are probed before they are used",
                                          {.live = true}),
    field<&Veth::self, &LinkEnd::routes>("routes", "the kernel's own routes of its addresses",
                                         {.live = true}),
    field<&Veth::peer, &LinkEnd::netns>("peer.netns", "the namespace of the other end",
                                        {.role = Role::Replace, .live = true}),
    field<&Veth::peer, &LinkEnd::name>(
        "peer.name", "the other end's name",
        {.fallback = "pv-PARTITION; of several links that name none, only the first by name, and "
                     "pv-PARTITION.LINK the others"}),
    field<&Veth::peer_address>("peer.address", "the other end's addresses", {.role = Role::Declared}),
    field<&Veth::peer, &LinkEnd::mac>("peer.mac", "the other end's hardware address", {.fallback = "random"}),
    field<&Veth::peer, &LinkEnd::mtu>("peer.mtu", "the other end's largest packet",
                                      {.min = 68, .max = 65535, .unit = "bytes", .fallback = "as mtu"}),
    field<&Veth::peer, &LinkEnd::up>("peer.up", "the other end is up", {.live = true}),
    field<&Veth::peer, &LinkEnd::mark>("peer.mark", "partd's mark on the other end", {.live = true}),
    field<&Veth::peer, &LinkEnd::trusting>("peer.trusting", "the other end takes routes from it",
                                           {.live = true}),
    field<&Veth::peer, &LinkEnd::probing>(
        "peer.probing", "the other end's IPv6 addresses are probed before they are used", {.live = true}),
    field<&Veth::peer, &LinkEnd::routes>(
        "peer.routes", "the kernel's own routes of the other end's addresses", {.live = true}),
    field<&Veth::peer, &LinkEnd::altname>("peer.altname", "the other end's alternative name", {.live = true}),
    field<&Veth::peer_partition>("peer.partition", "the partition of the other end",
                                 {.role = Role::Declared, .fallback = "the host"}),
    later("peer.network"),
    later("parent"),
    later("id"),
    later("mode"),
    later("remote"),
    later("local"),
    later("port"),
    later("group"),
    later("bridge"),
    later("ports"),
    later("vlan_filtering"),
    later("stp"),
    later("private_key_file"),
    later("listen_port"),
    later("wireguard_peer"),
    later("match"),
    later("shape"),
    later("peer.shape"),
};

constexpr Field kLoopbackFields[] = {
    field<&Loopback::address>("address", "addresses besides 127.0.0.1 and ::1", {.role = Role::Declared}),
};

constexpr Declaration kLanguage[] = {declaration<Veth>("partition.*.link.*", "veth"),
                                     declaration<Loopback>("partition.*.link.lo")};

// What the kernel would refuse (eth_validate_addr(), addrconf_add_dev()).
void check_attributes(const DeclaredObject& object, Diagnostics& problems) {
    constexpr std::int64_t kLeastForIpv6 = 1280;  // RFC 8200, section 5
    const Veth& veth = object.spec.as<Veth>();
    const auto check_mac = [&](const std::optional<Mac>& mac, std::string_view key) {
        if (mac && ((mac->bytes[0] & 1) != 0 || *mac == Mac())) {
            problems.error(object.place(key),
                           fmt::format("{} is no hardware address of one interface", mac->text()));
        }
    };
    check_mac(veth.self.mac, "mac");
    check_mac(veth.peer.mac, "peer.mac");
    if (veth.peer.name == "lo") {
        problems.error(object.place("peer.name"), "lo is the loopback interface of every namespace");
    }
    const auto check_mtu = [&](const std::optional<std::int64_t>& mtu, const auto& addresses,
                               std::string_view key) {
        const auto v6 = [](const auto& address) { return address.value.ip.v6(); };
        if (mtu && *mtu < kLeastForIpv6 && std::ranges::any_of(addresses, v6)) {
            problems.error(object.place(key), fmt::format("IPv6 needs an MTU of at least {}", kLeastForIpv6));
        }
    };
    check_mtu(veth.self.mtu, veth.address, "mtu");
    const bool own_mtu = veth.peer.mtu.has_value();
    check_mtu(own_mtu ? veth.peer.mtu : veth.self.mtu, veth.peer_address, own_mtu ? "peer.mtu" : "mtu");
}

void check(const Declared& declared, const DeclaredObject& object, Diagnostics& problems) {
    if (!has_netns(declared, object.owner)) {
        problems.error(object.source,
                       fmt::format("partition {} has no network namespace of its own for link {}",
                                   object.owner, object.name));
    }
    const auto& partition = object.spec.as<Veth>().peer_partition;
    if (partition && !has_netns(declared, *partition)) {
        const bool there = find_partition(declared, *partition) != nullptr;
        problems.error(object.place("peer.partition"),
                       there ? fmt::format("partition {} has no network namespace of its own", *partition)
                             : fmt::format("there is no [partition.{}] for the other end of {}/{}",
                                           *partition, object.owner, object.name));
    }
    check_attributes(object, problems);
    const Veth& veth = object.spec.as<Veth>();
    constexpr std::size_t kMostAlias = 128;  // of the kernel's 255 bytes; the mark needs the others
    if (veth.self.alias && veth.self.alias->size() > kMostAlias) {
        problems.error(object.place("alias"), fmt::format("an alias has at most {} bytes", kMostAlias));
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Loopback>()) {
        if (!has_netns(declared, object->owner)) {
            problems.error(
                object->source,
                fmt::format("partition {} has no network namespace of its own for link lo", object->owner));
        }
    }
    for (const DeclaredObject* object : declared.all<Veth>()) {
        check(declared, *object, problems);
        Veth veth{.self = self_end(*object), .peer = peer_end(declared, *object)};
        if (is_to_distrust(declared, veth.self, veth.peer)) {
            veth.self.trusting = false;
        }
        if (is_to_distrust(declared, veth.peer, veth.self)) {
            veth.peer.trusting = false;
        }
        for (LinkEnd* end : {&veth.self, &veth.peer}) {
            if (needs_no_probe(declared, *object, *end)) {
                end->probing = false;
            }
        }
        veth.self.alias = veth.self.alias.value_or("");  // the alias is partd's: what is not declared goes
        Resource resource{.key = veth_key(object->owner, object->name),
                          .owner = object->owner,
                          .source = object->source,
                          .places = object->places};
        if (!veth.peer.netns.empty()) {
            resource.phase = Phase::Network;
        }
        resource.claims = {name_claim(veth.self), name_claim(veth.peer)};
        resource.needs = {netns_key(object->owner)};
        if (!veth.peer.netns.empty()) {
            resource.needs.push_back(netns_key(veth.peer.netns));
        }
        resource.within = resource.needs;
        resource.spec = Spec(std::move(veth));
        desired.add(std::move(resource));
    }
}

std::string summary(const Spec& spec) {
    const Veth& veth = spec.as<Veth>();
    if (!veth.strangers.empty()) {
        return fmt::format("— a {} of somebody else", *veth.strangers[0].alias);
    }
    return fmt::format("— {}",
                       veth.peer.name.empty() ? "nothing" : place_text(veth.peer.netns, veth.peer.name));
}

}  // namespace

constinit const Table Veth::table = {"link", "A veth pair: an interface of the partition, and its other end.",
                                     kFields};
constinit const Table Loopback::table = {"link lo", "The loopback interface.", kLoopbackFields};

bool is_replaceable(const std::string& netns, const kernel::Link& link) {
    return !netns.empty() && !link.kind.empty() && !link.leads_out;
}

std::string stranger_text(const std::string& netns, const kernel::Link& link) {
    return fmt::format("{} is an interface ({}, index {}) that partd did not make",
                       place_text(netns, link.name), link.kind.empty() ? "hardware" : link.kind, link.index);
}

Key veth_key(std::string_view partition, std::string_view link) {
    return {&kVeth.kind, fmt::format("{}/{}", partition, link)};
}

constinit const LiveKind kVeth = {
    .kind = {.name = "veth",
             .table = &Veth::table,
             .language = kLanguage,
             .phase = Phase::HostLink,
             .expand = expand,
             .summary = summary,
             .apart = true},
    .observe = observe_veths,
    .apply = apply_veth,
    .watch =
        [](const Resource& wanted, kernel::Host&, std::vector<std::string>& topics) {
            if (const LinkEnd& peer = wanted.spec.as<Veth>().peer; peer.netns.empty()) {
                topics.push_back(kernel::link_topic(peer.name));
                topics.push_back(kernel::alias_topic(wanted.spec.as<Veth>().peer.mark));
            }
        },
};

}  // namespace partd
