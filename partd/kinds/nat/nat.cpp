#include "kinds/nat/nat.h"

#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/shield.h"
#include "kinds/partition.h"
#include "kinds/sysctl.h"
#include "kinds/topology.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

template <>
struct Codec<MasqueradeList> {
    static bool read(const Value& value, MasqueradeList& out, Diagnostics& problems) {
        if (const auto* boolean = value.get_if<bool>()) {
            out.own = *boolean;
            return true;
        }
        if (value.get_if<Array>() != nullptr) {
            return Codec<std::vector<Sourced<Masquerade>>>::read(value, out.list, problems);
        }
        report_unexpected(value, "true, false or a list of { source, out }", problems);
        return false;
    }
    static std::string text(const MasqueradeList& value) {
        return value.list.empty() ? Codec<bool>::text(value.own)
                                  : Codec<std::vector<Sourced<Masquerade>>>::text(value.list);
    }
    static Value json(const MasqueradeList& value) {
        return value.list.empty() ? Value(value.own)
                                  : Codec<std::vector<Sourced<Masquerade>>>::json(value.list);
    }
    static Value schema() {
        Value schema;
        schema.set("anyOf", Array{Codec<bool>::schema(), Codec<std::vector<Sourced<Masquerade>>>::schema()});
        return schema;
    }
};

namespace {

using nat::Bytes;
using nat::Elements;
using nat::PrefixSet;
using SetRole = nat::Role;

constexpr Field kMasqueradeFields[] = {
    field<&Masquerade::source>("source", "source of the packets", {.required = true}),
    field<&Masquerade::out>("out", "the host's interface by which they leave", {.fallback = "any"}),
};
constexpr Field kSourceNatFields[] = {
    field<&SourceNat::source>("source", "source of the packets", {.required = true}),
    field<&SourceNat::to>("to", "the source address they get", {.required = true}),
    field<&SourceNat::out>("out", "the host's interface by which they leave", {.fallback = "any"}),
};
constexpr FieldOptions kPlain = {.role = Role::Declared};
constexpr Field kNatFields[] = {
    field<&Nat::masquerade>(
        "masquerade",
        "true: its own prefixes, leaving the host by any other interface, get that one's address; or a list",
        {.role = Role::Declared, .fallback = "false"}),
    field<&Nat::snat>("snat", "sources that get an address of choice", kPlain),
};
// What "fd00:1::2:80" also may mean: [fd00:1::2]:80. nullopt for a text that has one meaning, or none.
std::optional<Endpoint> port_at_end(std::string_view text) {
    const auto bare = Ip::parse(text);
    if (!bare || !bare->v6()) {
        return std::nullopt;
    }
    const std::size_t colon = text.rfind(':');
    return Endpoint::parse(fmt::format("[{}]:{}", text.substr(0, colon), text.substr(colon + 1)));
}

constexpr Field kTo = [] {
    Field to = field<&Forward::to>("to", "address and port inside; a port behind IPv6 needs brackets",
                                   {.role = Role::Declared, .required = true});
    to.read = [](const Value& value, void* object, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        const auto meant = text == nullptr ? std::nullopt : port_at_end(*text);
        if (meant) {
            problems.error(
                value.source,
                fmt::format("{} may be an address, or one with a port: write \"{}\" for port {}, or "
                            "\"[{}]\" for the address",
                            *text, meant->text(), meant->port, *text));
            return false;
        }
        return Codec<Endpoint>::read(value, static_cast<Forward*>(object)->to, problems);
    };
    return to;
}();
constexpr Field kForwardFields[] = {
    field<&Forward::listen>("listen", "the host's port; a range maps to an equal range",
                            {.role = Role::Declared, .required = true}),
    field<&Forward::address>("address", "host addresses to listen on",
                             {.role = Role::Declared, .fallback = "every local address"}),
    kTo,
    field<&Forward::from>("from", "allowed sources", {.role = Role::Declared, .fallback = "any"}),
};

constexpr Declaration kLanguage[] = {declaration<Nat>("partition.*.nat"),
                                     declaration<Forward>("partition.*.nat.forward[]")};

using ByNetns = std::map<std::string, std::vector<Interface>>;

// The networks of a partition that lead to the host; all of its networks when none does.
struct OwnPrefix {
    Prefix prefix;
    std::string back;  // the host's interface by which one gets there; "" for none
};
std::vector<OwnPrefix> own_prefixes(const ByNetns& interfaces, const Declared& declared,
                                    const std::string& partition) {
    std::vector<OwnPrefix> to_host;
    std::vector<OwnPrefix> all;
    std::map<std::string, std::string> peers;
    for (const DeclaredObject* object : declared.all<Veth>(partition)) {
        peers[object->name] = peer_end(*object).name;
    }
    const auto found = interfaces.find(partition);
    for (const Interface& interface : found == interfaces.end() ? std::vector<Interface>() : found->second) {
        for (const auto& address : interface.addresses) {
            if (!interface.link || address.value.ip.is_link_local()) {
                continue;
            }
            const OwnPrefix own{address.value.prefix(), interface.host_peer ? peers[interface.name] : ""};
            all.push_back(own);
            if (interface.host_peer) {
                to_host.push_back(own);
            }
        }
    }
    return to_host.empty() ? all : to_host;
}

std::string set_name(SetRole role, const Prefix& prefix) {
    return PrefixSet{role, prefix.ip.v6(), prefix.length}.name();
}

void add_own(Elements& elements, const std::vector<OwnPrefix>& prefixes) {
    for (const OwnPrefix& own : prefixes) {
        elements.all.insert({.set = set_name(SetRole::Masquerade, own.prefix),
                             .key = Bytes().ip(own.prefix.ip).done(),
                             .data = {}});
        if (!own.back.empty()) {
            elements.all.insert({.set = set_name(SetRole::Back, own.prefix),
                                 .key = Bytes().ip(own.prefix.ip).interface(own.back).done(),
                                 .data = {}});
        }
    }
}

kernel::nft::Element masquerade_element(const Masquerade& masquerade) {
    Bytes key;
    key.ip(masquerade.source.ip);
    if (masquerade.out) {
        key.interface(*masquerade.out);
    }
    const SetRole role = masquerade.out ? SetRole::MasqueradeOut : SetRole::Masquerade;
    return {.set = set_name(role, masquerade.source), .key = key.done(), .data = {}};
}

kernel::nft::Element snat_element(const SourceNat& snat) {
    Bytes key;
    key.ip(snat.source.ip);
    if (snat.out) {
        key.interface(*snat.out);
    }
    return {.set = set_name(snat.out ? SetRole::SnatOut : SetRole::Snat, snat.source),
            .key = key.done(),
            .data = Bytes().ip(snat.to).done()};
}

Resource entry(const DeclaredObject& object, const Source& source, std::string_view what, Elements elements) {
    auto claims = nat::claims_of(elements);
    return {.key = {&kNat.kind, fmt::format("{}: {}", object.owner, what)},
            .spec = Spec(nat::Entry{std::move(elements)}),
            .owner = object.owner,
            .source = source,
            .claims = std::move(claims)};
}

void expand_masquerade(const DeclaredObject& object, const Declared& declared, const ByNetns& interfaces,
                       State& desired, Diagnostics& problems) {
    const auto& masquerade = object.spec.as<Nat>().masquerade;
    if (!masquerade || (!masquerade->own && masquerade->list.empty())) {
        return;
    }
    Elements elements;
    if (masquerade->own) {
        auto prefixes = own_prefixes(interfaces, declared, object.owner);
        std::erase_if(prefixes, [](const OwnPrefix& own) { return own.back.empty(); });
        add_own(elements, prefixes);
        if (prefixes.empty()) {
            problems.error(object.place("masquerade"),
                           fmt::format("partition {} has no link to the host with an address to masquerade",
                                       object.owner));
        }
    }
    for (const auto& each : masquerade->list) {
        elements.all.insert(masquerade_element(each.value));
    }
    desired.add(entry(object, object.place("masquerade"), "masquerade", std::move(elements)));
}

void expand_snat(const DeclaredObject& object, State& desired, Diagnostics& problems) {
    Elements elements;
    for (const auto& each : object.spec.as<Nat>().snat) {
        if (each.value.source.ip.v6() != each.value.to.v6()) {
            problems.error(each.at, "snat keeps the family: source and to must both be IPv4 or both IPv6");
        }
        elements.all.insert(snat_element(each.value));
    }
    if (!elements.all.empty()) {
        desired.add(entry(object, object.place("snat"), "snat", std::move(elements)));
    }
}

// All forwards together: every port of the host for four addresses. Each entry is an element of the table.
constexpr std::uint64_t kMostEntries = 4 * std::uint64_t{65'536};

// Counted before they are made.
bool count_entries(const DeclaredObject& object, const Forward& forward, std::uint64_t& all,
                   Diagnostics& problems) {
    const auto sources = std::max<std::uint64_t>(1, forward.from.size());
    const auto addresses = std::max<std::uint64_t>(1, forward.address.size());
    const std::uint64_t entries = sources * addresses * forward.listen.count();
    if (entries > kMostEntries - all) {
        problems.error(object.source,
                       fmt::format("this forward would need {} entries, for {} ports, {} addresses and {} "
                                   "sources; at most {} are left of {} for all forwards",
                                   entries, forward.listen.count(), addresses, sources, kMostEntries - all,
                                   kMostEntries));
        return false;
    }
    all += entries;
    return true;
}

// The elements of one forward: for each source, address and port.
Elements forward_elements(const Forward& forward) {
    const bool v6 = forward.to.ip.v6();
    auto sources = forward.from;
    if (sources.empty()) {
        sources.push_back({Ip::any(v6), 0});
    }
    Elements elements;
    const auto add = [&](const Prefix& source, const Ip* address, unsigned offset) {
        Bytes key;
        key.ip(source.ip);
        if (address != nullptr) {
            key.ip(*address);
        }
        key.protocol(forward.listen.protocol).port(static_cast<std::uint16_t>(forward.listen.first + offset));
        const auto port = static_cast<std::uint16_t>(forward.to.port + offset);
        elements.all.insert(
            {.set = set_name(address != nullptr ? SetRole::ForwardTo : SetRole::Forward, source),
             .key = key.done(),
             .data = Bytes().ip(forward.to.ip).port(port).done()});
    };
    for (const Prefix& source : sources) {
        for (unsigned offset = 0; offset < forward.listen.count(); ++offset) {
            for (const Ip& address : forward.address) {
                add(source, &address, offset);
            }
            if (forward.address.empty()) {
                add(source, nullptr, offset);
            }
        }
    }
    return elements;
}

// An address at which no forward ever gets a packet, or would lead to itself.
bool check_listening(const DeclaredObject& object, const Forward& forward, Diagnostics& problems) {
    for (const Ip& address : forward.address) {
        if (address.is_any() || address.is_multicast()) {
            problems.error(object.place("address"),
                           fmt::format("{} is no address of an interface: leave address out for every local "
                                       "address of the host",
                                       address.text()));
            return false;
        }
        if (address == forward.to.ip && forward.listen.first == forward.to.port) {
            problems.error(object.place("address"),
                           fmt::format("{} is where the forward leads: give an address of the host, or leave "
                                       "address out for every local address of the host",
                                       forward.to.text()));
            return false;
        }
    }
    return true;
}

bool check_forward(const DeclaredObject& object, Forward& forward, const std::vector<OwnPrefix>& prefixes,
                   Diagnostics& problems) {
    const auto other_family = [&](const auto& ip) { return ip.v6() != forward.to.ip.v6(); };
    if (std::ranges::any_of(forward.address, other_family) ||
        std::ranges::any_of(forward.from, other_family, &Prefix::ip)) {
        problems.error(object.source,
                       "a forward keeps the family: address, from and to must all be IPv4 or all IPv6");
        return false;
    }
    forward.to.port = forward.to.port == 0 ? forward.listen.first : forward.to.port;
    if (forward.to.port + forward.listen.count() - 1 > 65535) {
        problems.error(object.place("to"), fmt::format("{} ports from {} on go beyond 65535",
                                                       forward.listen.count(), forward.to.port));
        return false;
    }
    if (std::ranges::none_of(prefixes,
                             [&](const OwnPrefix& own) { return own.prefix.contains(forward.to.ip); })) {
        problems.error(object.place("to"), fmt::format("{} is not in any prefix of partition {}",
                                                       forward.to.ip.text(), object.owner));
        return false;
    }
    return check_listening(object, forward, problems);
}

std::string forward_name(const Forward& forward) {
    std::string name =
        fmt::format("forward {}{}", forward.listen.text(), forward.to.ip.v6() ? " of IPv6" : "");
    for (const Ip& address : forward.address) {
        name += " at " + address.text();
    }
    for (const Prefix& from : forward.from) {
        name += " from " + from.text();
    }
    return name;
}

// A forward at every local address also serves 127.0.0.1, which the host routes to a link only when told to.
void want_loopback(const DeclaredObject& object, const Forward& forward, const Declared& declared,
                   State& desired) {
    const bool loopback = forward.address.empty() || std::ranges::any_of(forward.address, &Ip::is_loopback);
    if (forward.to.ip.v6() || !loopback) {
        return;
    }
    for (const DeclaredObject* link : declared.all<Veth>(object.owner)) {
        if (const LinkEnd peer = peer_end(*link); peer.netns.empty()) {
            const Key pair = veth_key(link->owner, link->name);
            const Key shield = want_shield(desired, peer.name, pair, object.owner, object.source);
            Resource& wanted = want_host_sysctl(desired, "net/ipv4/conf/" + peer.name + "/route_localnet",
                                                "1", object.owner, object.source);
            wanted.within = {pair};
            wanted.needs = {pair, shield};
        }
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    const ByNetns interfaces = interfaces_by_netns(declared);
    for (const DeclaredObject* object : declared.all<Nat>()) {
        expand_masquerade(*object, declared, interfaces, desired, problems);
        expand_snat(*object, desired, problems);
    }
    std::uint64_t entries = 0;
    for (const DeclaredObject* object : declared.all<Forward>()) {
        Forward forward = object->spec.as<Forward>();
        if (!check_forward(*object, forward, own_prefixes(interfaces, declared, object->owner), problems) ||
            !count_entries(*object, forward, entries, problems)) {
            continue;
        }
        Resource& added =
            desired.add(entry(*object, object->source, forward_name(forward), forward_elements(forward)));
        if (added.source.text() != object->source.text()) {
            problems.error(object->source, fmt::format("{} is declared twice", added.key.text()),
                           added.source, "the other declaration");
        }
        want_loopback(*object, forward, declared, desired);
    }
}

}  // namespace

constinit const Table Masquerade::table = {
    "masquerade", "Sources that get the address of the interface by which they leave.", kMasqueradeFields};
constinit const Table SourceNat::table = {"snat", "Sources that get an address of choice.", kSourceNatFields};
constinit const Table Nat::table = {"nat", "Translation of addresses on the host.", kNatFields};
constinit const Table Forward::table = {"nat.forward", "A port of the host that leads into the partition.",
                                        kForwardFields};

bool translates_sources(const Declared& declared, std::string_view partition) {
    return std::ranges::any_of(declared.all<Nat>(partition), [](const DeclaredObject* object) {
        const Nat& nat = object->spec.as<Nat>();
        return !nat.snat.empty() ||
               (nat.masquerade && (nat.masquerade->own || !nat.masquerade->list.empty()));
    });
}

bool has_forwards(const Declared& declared, std::string_view partition) {
    return !declared.all<Forward>(partition).empty();
}

constinit const LiveKind kNat = {
    .kind = {.name = "nat",
             .table = &nat::Entry::table,
             .language = kLanguage,
             .expand = expand,
             .summary =
                 [](const Spec& spec) { return Codec<nat::Elements>::text(spec.as<nat::Entry>().elements); },
             .channel = "nftables",
             .apart = true},
    .observe = nat::observe_entries,
    .apply = nat::apply_entry,
};

}  // namespace partd
