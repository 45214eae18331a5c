#include "kinds/nat/entry.h"

#include "base/text.h"
#include "kernel/conntrack.h"
#include "kinds/nat/gate.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"
#include "kinds/nat/table.h"

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

constexpr Field kFields[] = {
    field<&Entry::elements>("elements", "elements of the sets of table inet partd", {.live = true}),
};

// nft(8) shows comments of at most 128 bytes.
constexpr std::size_t kMostComment = 120;

struct Named {
    const Kind* kind;
    std::string name;
    std::string owner;
};

// The resource that a comment names: "partd nat web: masquerade". Long names are known by the ledger or the
// files only.
std::optional<Named> parse_comment(const std::string& comment) {
    for (const LiveKind* live : {&kNat, &kGate}) {
        const std::string prefix = fmt::format("partd {} ", live->kind.name);
        const std::size_t colon = comment.find(':', prefix.size());
        if (comment.starts_with(prefix) && colon != std::string::npos) {
            return Named{&live->kind, comment.substr(prefix.size()),
                         comment.substr(prefix.size(), colon - prefix.size())};
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
        begins.push_back(fmt::format("partd {} {}:", kNat.kind.name, owner));
        begins.push_back(fmt::format("partd {} {}:", kGate.kind.name, owner));
    }
    return [begins = std::move(begins)](const std::string& comment) {
        return std::ranges::any_of(begins, [&](const auto& begin) { return comment.starts_with(begin); });
    };
}

Key key_of(const Look& look, const Named& named, const std::string& comment) {
    for (const Resource& wanted : look.desired.all()) {
        if (wanted.key.kind == named.kind && wanted.owner == named.owner &&
            comment_of(wanted.key) == comment) {
            return wanted.key;
        }
    }
    Key key{named.kind, named.name};
    look.ledger.for_kind(named.kind->name, [&](const std::string& name, const LedgerEntry& made) {
        if (made.owner == named.owner && comment_of({named.kind, name}) == comment) {
            key.name = name;
        }
    });
    return key;
}

}  // namespace

constinit const Table Entry::table = {"nat", "Elements of the table inet partd.", kFields};

std::string comment_of(const Key& key) {
    return shortened(fmt::format("partd {} {}", key.kind->name, key.name), kMostComment);
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
        if (resource.spec.is<Entry>()) {
            for (const auto& element : resource.spec.as<Entry>().elements.all) {
                sets.insert(element.set);
            }
        }
    }
    return sets;
}

// Elements that somebody else put into our table would undo what the files declare: they go.
static void add_strays(Look& look, Elements elements) {
    auto claims = claims_of(elements);
    const Key key{&kNat.kind, "elements without a comment of partd"};
    if (Resource* already = look.observed.find(key)) {
        elements.all.insert(already->spec.as<Entry>().elements.all.begin(),
                            already->spec.as<Entry>().elements.all.end());
        already->spec = Spec(Entry{std::move(elements)});
        return;
    }
    look.observed.add({.key = key,
                       .spec = Spec(Entry{std::move(elements)}),
                       .needs = {table_key()},
                       .within = {table_key()},
                       .claims = std::move(claims),
                       .marked = true});
}

Resource entry_of(const DeclaredObject& object, const Source& source, std::string_view what,
                  Elements elements) {
    auto claims = claims_of(elements);
    return {.key = {&kNat.kind, fmt::format("{}: {}", object.owner, what)},
            .spec = Spec(Entry{std::move(elements)}),
            .owner = object.owner,
            .source = source,
            .needs = {table_key()},
            .within = {table_key()},
            .claims = std::move(claims)};
}

Result<> observe_entries(Look& look) {
    if (!look.nftables) {
        return {};
    }
    auto nftables = look.host.nftables();
    PARTD_TRY(nftables);
    const auto keep = of_owners(look.scope);
    std::map<std::string, Elements> by_comment;
    for (const std::string& set : look.nftables->sets) {
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
            add_strays(look, std::move(elements));
            continue;
        }
        if (const auto named = parse_comment(comment)) {
            auto claims = claims_of(elements);
            look.add({.key = comment.size() < kMostComment ? Key{named->kind, named->name}
                                                           : key_of(look, *named, comment),
                      .spec = Spec(Entry{std::move(elements)}),
                      .owner = named->owner,
                      .needs = {table_key()},
                      .within = {table_key()},
                      .claims = std::move(claims),
                      .marked = true,
                      .holder = fmt::format(
                          "elements of table inet partd with the comment \"{}\" that partd did not make",
                          comment)});
        }
    }
    return {};
}

namespace {

// Ends the connections that what was carried out concerns; the first of a wave's changes does it for all.
Result<> end_connections(Doing& doing) {
    const auto forwards = std::exchange(doing.forwards, {});
    const auto begun = std::exchange(doing.translations, {});
    const auto gone = std::exchange(doing.gone_translations, {});
    const auto standing = std::exchange(doing.standing_translations, {});
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

Result<> apply_entry(Doing& doing, const Change& change, std::size_t number) {
    const Elements wanted = change.wanted ? change.wanted.as<Entry>().elements : Elements();
    const Elements found = change.found ? change.found.as<Entry>().elements : Elements();
    const std::string comment = comment_of(change.key);
    std::set<kernel::nft::Element> gone;
    for (const auto& element : found.all) {
        if (wanted.all.contains(element)) {
            continue;
        }
        doing.batch.nftables().remove_element(number, element);
        gone.insert(element);
        if (const auto forward = forward_of(element)) {
            doing.forwards.push_back({forward->protocol, forward->port, forward->to});
        }
    }
    std::set<kernel::nft::Element> added;
    for (const auto& element : wanted.all) {
        if (!found.all.contains(element)) {
            doing.batch.nftables().add_element(number, element, comment);
            added.insert(element);
        }
    }
    doing.translations.merge(translations_of(added, wanted.all));
    auto ended = translations_of(gone, found.all);
    std::erase_if(ended, [](const kernel::Translation& each) { return each.listen.has_value(); });
    doing.gone_translations.merge(ended);
    doing.standing_translations.merge(translations_of(wanted.all, wanted.all));
    if (!doing.forwards.empty() || !doing.translations.empty() || !doing.gone_translations.empty()) {
        doing.batch.after_nftables(number, [&doing] { return end_connections(doing); });
    }
    return {};
}

}  // namespace nat

}  // namespace partd
