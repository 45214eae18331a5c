// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/sources.h"

#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"
#include "kinds/nat/own_prefixes.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using nat::Bytes;
using nat::Elements;
using nat::own_prefixes;
using nat::OwnPrefix;
using nat::PrefixSet;
using SetRole = nat::Role;
using ByNetns = std::map<std::string, std::vector<Interface>>;

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
    desired.add(nat::entry_of({&kMasquerade.kind, object.owner},
                              Spec(nat::MasqueradeEntry{std::move(elements)}), object.owner,
                              object.place("masquerade")));
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
        desired.add(nat::entry_of({&kSnat.kind, object.owner}, Spec(nat::SnatEntry{std::move(elements)}),
                                  object.owner, object.place("snat")));
    }
}

void expand_masquerades(const Declared& declared, State& desired, Diagnostics& problems) {
    const auto all = declared.all<Nat>();
    const ByNetns interfaces = all.empty() ? ByNetns() : interfaces_by_netns(declared);
    for (const DeclaredObject* object : all) {
        expand_masquerade(*object, interfaces, desired, problems);
    }
}

void expand_snats(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Nat>()) {
        expand_snat(*object, desired, problems);
    }
}

std::string summary(const Spec& spec) {
    return nat::elements_text(nat::elements_of(spec)->all);
}

template <const LiveKind& Live>
std::optional<std::string> former(std::string_view kind, std::string_view name) {
    return kind == kNat.kind.name ? nat::name_in_comment(Live, fmt::format("{} {}", kind, name))
                                  : std::nullopt;
}

}  // namespace

constinit const LiveKind kMasquerade = {
    .kind = {.name = "masquerade",
             .phase = Phase::Filter,
             .expand = expand_masquerades,
             .former = former<kMasquerade>,
             .summary = summary,
             .channel = "nftables",
             .independent = true},
    .apply = nat::apply_entry,
};

constinit const LiveKind kSnat = {
    .kind = {.name = "snat",
             .phase = Phase::Filter,
             .expand = expand_snats,
             .former = former<kSnat>,
             .summary = summary,
             .channel = "nftables",
             .independent = true},
    .apply = nat::apply_entry,
};

}  // namespace partd
