// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/entry.h"

#include "base/text.h"
#include "kernel/netlink/conntrack.h"
#include "kinds/firewall/gate.h"
#include "kinds/firewall/table.h"
#include "kinds/nat/forward.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"
#include "kinds/nat/sources.h"
#include "kinds/policy/reach.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

std::string Codec<nat::Elements>::text(const nat::Elements& value) {
    return nat::elements_text(value.all);
}

Value Codec<nat::Elements>::json(const nat::Elements& value) {
    Value all = Array();
    for (const auto& element : value.all) {
        all.push(nat::element_text(element));
    }
    return all;
}

namespace nat {

namespace {

// A field that is kept in the table's elements alone; `text` and `json` tell what they say.
template <class T>
constexpr Field told_by_elements(std::string_view name, std::string_view description,
                                 std::string (*text)(const void*), Value (*json)(const void*)) {
    Field field = partd::field<&T::elements>(name, description, {.live = true});
    field.text = text;
    field.json = json;
    return field;
}

template <class T>
const std::set<kernel::nft::Element>& all_of(const void* entry) {
    return static_cast<const T*>(entry)->elements.all;
}

template <class T>
std::string sources_text(const void* entry) {
    return elements_text(all_of<T>(entry));
}

// [{"source": "10.1.1.0/24", "to": "203.0.113.7", "out": "eth0"}], as the language has it.
template <class T>
Value sources_json(const void* entry) {
    Value list = Array();
    for (const kernel::Translation& each : translations_of(all_of<T>(entry), {})) {
        Value one = Object();
        one.set("source", each.source.text());
        if (each.to) {
            one.set("to", each.to->text());
        }
        if (!each.out.empty()) {
            one.set("out", each.out);
        }
        list.push(std::move(one));
    }
    return list;
}

// The elements as a reader of nft(8) would expect them.
template <class T>
Value ways_json(const void* entry) {
    return Codec<Elements>::json(static_cast<const T*>(entry)->elements);
}

std::string target_text(const void* entry) {
    return targets_text(all_of<ForwardEntry>(entry));
}

constexpr Field kFields[] = {
    field<&Entry::elements>("elements", "elements of the sets of table inet partd", {.live = true}),
};
constexpr Field kForwardFields[] = {
    told_by_elements<ForwardEntry>("to", "address and port inside", target_text,
                                   [](const void* entry) { return Value(target_text(entry)); }),
};
constexpr Field kMasqueradeFields[] = {
    told_by_elements<MasqueradeEntry>("masquerade", "sources that get the address of the interface",
                                      sources_text<MasqueradeEntry>, sources_json<MasqueradeEntry>),
};
constexpr Field kSnatFields[] = {
    told_by_elements<SnatEntry>("snat", "sources that get an address of choice", sources_text<SnatEntry>,
                                sources_json<SnatEntry>),
};

constexpr Field kReachFields[] = {
    told_by_elements<ReachEntry>("by", "the host's ends by which it is let pass, and to whom",
                                 sources_text<ReachEntry>, ways_json<ReachEntry>),
};
constexpr Field kAdmitFields[] = {
    told_by_elements<AdmitEntry>("by", "the host's ends by which they are let pass, and who",
                                 sources_text<AdmitEntry>, ways_json<AdmitEntry>),
};

struct Named {
    const Kind* kind;
    std::string name;
    std::string owner;
};

// The resource that a comment names. Long names are known by the ledger or the files only.
std::optional<Named> parse_comment(std::string_view comment) {
    const std::size_t colon = comment.find(": ");
    if (!comment.starts_with(kCommentBegin) || colon == std::string_view::npos) {
        return std::nullopt;
    }
    comment.remove_prefix(kCommentBegin.size());
    for (const LiveKind* live : {&kForward, &kMasquerade, &kSnat, &kGate, &kReaches, &kAdmits}) {
        if (auto name = name_in_comment(*live, comment)) {
            const std::string owner = name->substr(0, name->find_first_of(": "));
            return Named{&live->kind, std::move(*name), owner};
        }
    }
    return std::nullopt;
}

// Which elements a look takes that is not at all of them; the others it need not even copy.
kernel::nft::Nftables::Keep of_owners(const Scope& scope) {
    if (scope.covers(kNat.kind, "")) {
        return {};
    }
    std::vector<std::string> begins;
    for (const std::string& owner : scope.owners) {
        begins.push_back(fmt::format("{}nat {}:", kCommentBegin, owner));
        for (const char* word : {"gate", "reach", "admit"}) {
            begins.push_back(fmt::format("{}{} {}:", kCommentBegin, word, owner));
        }
    }
    return [begins = std::move(begins)](const std::string& comment) {
        return std::ranges::any_of(begins, [&](const auto& begin) { return comment.starts_with(begin); });
    };
}

Key key_of(const Observation& observation, const Named& named, const std::string& comment) {
    for (const Resource& wanted : observation.desired.all()) {
        if (wanted.key.kind == named.kind && wanted.owner == named.owner &&
            comment_of(wanted.key) == comment) {
            return wanted.key;
        }
    }
    Key key{named.kind, named.name};
    observation.ledger.for_kind(named.kind->name, [&](const std::string& name, const LedgerEntry& made) {
        if (made.owner == named.owner && comment_of({named.kind, name}) == comment) {
            key.name = name;
        }
    });
    return key;
}

}  // namespace

constinit const Table Entry::table = {"nat", "Elements of the table inet partd.", kFields};

constinit const Table ForwardEntry::table = {"forward", "A port of the host that leads into a partition.",
                                             kForwardFields};
constinit const Table MasqueradeEntry::table = {
    "masquerade", "Sources that get the address of the interface by which they leave.", kMasqueradeFields};
constinit const Table SnatEntry::table = {"snat", "Sources that get an address of choice.", kSnatFields};
constinit const Table ReachEntry::table = {"reach", "To whom a partition may open connections.",
                                           kReachFields};
constinit const Table AdmitEntry::table = {"admit", "Who may open connections to a partition.", kAdmitFields};

const Elements* elements_of(const Spec& spec) {
    return spec.is<Entry>()             ? &spec.as<Entry>().elements
           : spec.is<ForwardEntry>()    ? &spec.as<ForwardEntry>().elements
           : spec.is<MasqueradeEntry>() ? &spec.as<MasqueradeEntry>().elements
           : spec.is<SnatEntry>()       ? &spec.as<SnatEntry>().elements
           : spec.is<ReachEntry>()      ? &spec.as<ReachEntry>().elements
           : spec.is<AdmitEntry>()      ? &spec.as<AdmitEntry>().elements
                                        : nullptr;
}

std::vector<std::string> claims_of(const Elements& elements) {
    std::vector<std::string> claims;
    for (const auto& element : elements.all) {
        claims.push_back(fmt::format("the packets of {}", element_text({element.set, element.key, {}})));
    }
    return claims;
}

std::set<std::string> sets_in_use(const State& desired) {
    std::set<std::string> sets;
    for (const Resource& resource : desired.all()) {
        const Elements* elements = elements_of(resource.spec);
        for (const auto& element : elements == nullptr ? Elements().all : elements->all) {
            sets.insert(element.set);
        }
    }
    return sets;
}

// Elements that somebody else put into our table would undo what the files declare: they go.
static void add_strays(Observation& observation, Elements elements) {
    auto claims = claims_of(elements);
    const Key key{&kNat.kind, "elements without a comment of partd"};
    if (Resource* already = observation.observed.find(key)) {
        elements.all.insert(already->spec.as<Entry>().elements.all.begin(),
                            already->spec.as<Entry>().elements.all.end());
        already->spec = Spec(Entry{std::move(elements)});
        return;
    }
    observation.observed.add({.key = key,
                              .spec = Spec(Entry{std::move(elements)}),
                              .depends_on = {table_key()},
                              .contained_in = {table_key()},
                              .exclusive_names = std::move(claims),
                              .marked = true});
}

Resource entry_of(Key key, Spec spec, const std::string& owner, const Source& source) {
    auto claims = claims_of(*elements_of(spec));
    return {.key = std::move(key),
            .spec = std::move(spec),
            .owner = owner,
            .source = source,
            .depends_on = {table_key()},
            .contained_in = {table_key()},
            .exclusive_names = std::move(claims)};
}

namespace {

Spec spec_of(const Kind& kind, Elements elements) {
    return &kind == &kForward.kind      ? Spec(ForwardEntry{std::move(elements)})
           : &kind == &kMasquerade.kind ? Spec(MasqueradeEntry{std::move(elements)})
           : &kind == &kSnat.kind       ? Spec(SnatEntry{std::move(elements)})
           : &kind == &kReaches.kind    ? Spec(ReachEntry{std::move(elements)})
           : &kind == &kAdmits.kind     ? Spec(AdmitEntry{std::move(elements)})
                                        : Spec(Entry{std::move(elements)});
}

}  // namespace

Result<> observe_entries(Observation& observation) {
    if (!observation.nftables) {
        return {};
    }
    auto nftables = observation.host.nftables();
    PARTD_TRY(nftables);
    const auto keep = of_owners(observation.scope);
    std::map<std::string, Elements> by_comment;
    for (const std::string& set : observation.nftables->sets) {
        if (!set_of(set)) {
            continue;  // somebody else's: no rule of ours asks it
        }
        auto found = (*nftables)->elements(kTableName, set, keep);
        PARTD_TRY(found);
        for (auto& stored : *found) {
            by_comment[stored.comment].all.insert(std::move(stored.element));
        }
    }
    for (auto& [comment, elements] : by_comment) {
        if (!comment.starts_with("partd ")) {
            add_strays(observation, std::move(elements));
            continue;
        }
        if (const auto named = parse_comment(comment)) {
            Key key = comment.size() < kMostComment ? Key{named->kind, named->name}
                                                    : key_of(observation, *named, comment);
            Resource found =
                entry_of(std::move(key), spec_of(*named->kind, std::move(elements)), named->owner, {});
            found.marked = true;
            found.holder = fmt::format(
                "elements of table inet partd with the comment \"{}\" that partd did not make", comment);
            observation.add(std::move(found));
        }
    }
    return {};
}

namespace {

// Ends the connections that what was carried out concerns; the first of a wave's changes does it for all.
Result<> end_connections(ApplyContext& context) {
    const auto forwards = std::exchange(context.forwards, {});
    const auto begun = std::exchange(context.translations, {});
    const auto gone = std::exchange(context.gone_translations, {});
    const auto standing = std::exchange(context.standing_translations, {});
    if (!forwards.empty()) {
        PARTD_TRY(kernel::end_forwarded(forwards));
    }
    if (!begun.empty()) {
        PARTD_TRY(kernel::end_untranslated(begun));
    }
    if (!gone.empty()) {
        PARTD_TRY(kernel::end_translated(gone, standing));
    }
    return {};
}

}  // namespace

Result<> apply_entry(ApplyContext& context, const Change& change, std::size_t number) {
    const Elements wanted = change.wanted ? *elements_of(change.wanted) : Elements();
    const Elements found = change.found ? *elements_of(change.found) : Elements();
    const std::string comment = comment_of(change.key);
    std::set<kernel::nft::Element> gone;
    for (const auto& element : found.all) {
        if (wanted.all.contains(element)) {
            continue;
        }
        context.batch.nftables().remove_element(number, element);
        gone.insert(element);
        if (const auto forward = forward_of(element)) {
            context.forwards.push_back({forward->protocol, forward->port, forward->to});
        }
    }
    std::set<kernel::nft::Element> added;
    for (const auto& element : wanted.all) {
        if (!found.all.contains(element)) {
            context.batch.nftables().add_element(number, element, comment);
            added.insert(element);
        }
    }
    context.translations.merge(translations_of(added, wanted.all));
    auto ended = translations_of(gone, found.all);
    std::erase_if(ended, [](const kernel::Translation& each) { return each.listen.has_value(); });
    context.gone_translations.merge(ended);
    context.standing_translations.merge(translations_of(wanted.all, wanted.all));
    if (!context.forwards.empty() || !context.translations.empty() || !context.gone_translations.empty()) {
        context.batch.after_nftables(number, [&context] { return end_connections(context); });
    }
    return {};
}

}  // namespace nat

}  // namespace partd
