#include "kinds/nat/nat.h"

#include "kinds/link/interfaces.h"
#include "kinds/nat/entry.h"
#include "kinds/nat/forward.h"
#include "kinds/nat/layout.h"
#include "kinds/partition.h"

#include <algorithm>
#include <iterator>
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
constexpr Declaration kLanguage[] = {declaration<Nat>("partition.*.nat"),
                                     declaration<Forward>("partition.*.nat.forward[]")};

using ByNetns = std::map<std::string, std::vector<Interface>>;

// The networks of a partition that lead to the host; all of its networks when none does.
struct OwnPrefix {
    Prefix prefix;
    std::string back;  // the host's interface by which one gets there; "" for none
};
std::vector<OwnPrefix> own_prefixes(const ByNetns& interfaces, const std::string& partition) {
    std::vector<OwnPrefix> to_host;
    std::vector<OwnPrefix> all;
    const auto found = interfaces.find(partition);
    for (const Interface& interface : found == interfaces.end() ? std::vector<Interface>() : found->second) {
        for (const auto& address : interface.addresses) {
            if (!interface.link || address.value.ip.is_link_local()) {
                continue;
            }
            const OwnPrefix own{address.value.prefix(), interface.host_end.value_or("")};
            all.push_back(own);
            if (interface.host_end) {
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

void expand_masquerade(const DeclaredObject& object, const ByNetns& interfaces, State& desired,
                       Diagnostics& problems) {
    const auto& masquerade = object.spec.as<Nat>().masquerade;
    if (!masquerade || (!masquerade->own && masquerade->list.empty())) {
        return;
    }
    Elements elements;
    if (masquerade->own) {
        auto prefixes = own_prefixes(interfaces, object.owner);
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
    desired.add(nat::entry_of(object, object.place("masquerade"), "masquerade", std::move(elements)));
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
        desired.add(nat::entry_of(object, object.place("snat"), "snat", std::move(elements)));
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    const ByNetns interfaces = interfaces_by_netns(declared);
    for (const DeclaredObject* object : declared.all<Nat>()) {
        expand_masquerade(*object, interfaces, desired, problems);
        expand_snat(*object, desired, problems);
    }
    std::uint64_t entries = 0;
    for (const DeclaredObject* object : declared.all<Forward>()) {
        std::vector<Prefix> prefixes;
        std::ranges::transform(own_prefixes(interfaces, object->owner), std::back_inserter(prefixes),
                               &OwnPrefix::prefix);
        nat::expand_forward(*object, prefixes, declared, entries, desired, problems);
    }
}

}  // namespace

constinit const Table Masquerade::table = {
    "masquerade", "Sources that get the address of the interface by which they leave.", kMasqueradeFields};
constinit const Table SourceNat::table = {"snat", "Sources that get an address of choice.", kSourceNatFields};
constinit const Table Nat::table = {"nat", "Translation of addresses on the host.", kNatFields};
bool translates_sources(const Declared& declared, std::string_view partition) {
    return std::ranges::any_of(declared.all<Nat>(partition), [](const DeclaredObject* object) {
        const Nat& nat = object->spec.as<Nat>();
        return !nat.snat.empty() ||
               (nat.masquerade && (nat.masquerade->own || !nat.masquerade->list.empty()));
    });
}

constinit const LiveKind kNat = {
    .kind = {.name = "nat",
             .language = kLanguage,
             .phase = Phase::Filter,
             .expand = expand,
             .summary =
                 [](const Spec& spec) { return Codec<nat::Elements>::text(spec.as<nat::Entry>().elements); },
             .channel = "nftables",
             .apart = true},
    .observe = nat::observe_entries,
    .apply = nat::apply_entry,
};

}  // namespace partd
