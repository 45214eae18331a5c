// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/nat.h"

#include "kinds/nat/entry.h"

#include <algorithm>

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

constexpr Field kMasqueradeFields[] = {
    field<&Masquerade::source>("source", "source of the packets", {.required = true}),
    field<&Masquerade::out>("out", "the host's interface by which they leave", {.fallback = "any"}),
};
constexpr Field kSourceNatFields[] = {
    field<&SourceNat::source>("source", "source of the packets", {.required = true}),
    field<&SourceNat::to>("to", "the source address that they get", {.required = true}),
    field<&SourceNat::out>("out", "the host's interface by which they leave", {.fallback = "any"}),
};
constexpr FieldOptions kPlain = {.role = Role::Declared};
constexpr Field kNatFields[] = {
    field<&Nat::masquerade>(
        "masquerade",
        "true: packets from its own prefixes that leave the host by another interface get that interface's "
        "address. Or a list of { source, out }: packets from source that leave by the interface out get its "
        "address; without out, this holds for every interface",
        {.role = Role::Declared, .fallback = "false"}),
    field<&Nat::snat>("snat", "a list of { source, to, out }: packets from source get the address to",
                      kPlain),
};
constexpr Declaration kLanguage[] = {declaration<Nat>("partition.*.nat")};

}  // namespace

constinit const Table Masquerade::table = {
    "masquerade", "Sources that get the address of the interface by which they leave.", kMasqueradeFields};
constinit const Table SourceNat::table = {"snat", "Sources that are translated to a given address.",
                                          kSourceNatFields};
constinit const Table Nat::table = {"nat", "Translation of addresses on the host.", kNatFields};
bool translates_sources(const Declared& declared, std::string_view partition) {
    return std::ranges::any_of(declared.all<Nat>(partition), [](const DeclaredObject* object) {
        const Nat& nat = object->spec.as<Nat>();
        return !nat.snat.empty() ||
               (nat.masquerade && (nat.masquerade->own || !nat.masquerade->list.empty()));
    });
}

// Of its own it has what nobody declared; what a file declares there are resources of forward, masquerade and
// snat.
constinit const LiveKind kNat = {
    .kind = {.name = "nat",
             .language = kLanguage,
             .phase = Phase::Filter,
             .summary =
                 [](const Spec& spec) { return Codec<nat::Elements>::text(spec.as<nat::Entry>().elements); },
             .channel = "nftables",
             .independent = true},
    .observe = nat::observe_entries,
    .apply = nat::apply_entry,
};

}  // namespace partd
