// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/nft/nftables.h"
#include "kinds/kinds.h"

#include <set>
#include <vector>

namespace partd::nat {

// Elements of the table's sets, as a member of a resource.
struct Elements {
    std::set<kernel::nft::Element> all;
    bool operator==(const Elements&) const = default;
};

// Elements of the table that follow from a link's end on the host; no file declares them.
struct Entry {
    Elements elements;
    bool operator==(const Entry&) const = default;
    static const Table table;
};
// Elements of the table that one declaration gives, shown as one field with its word in the language.
struct ForwardEntry {
    Elements elements;
    bool operator==(const ForwardEntry&) const = default;
    static const Table table;
};
struct MasqueradeEntry {
    Elements elements;
    bool operator==(const MasqueradeEntry&) const = default;
    static const Table table;
};
struct SnatEntry {
    Elements elements;
    bool operator==(const SnatEntry&) const = default;
    static const Table table;
};

struct ReachEntry {
    Elements elements;
    bool operator==(const ReachEntry&) const = default;
    static const Table table;
};
struct AdmitEntry {
    Elements elements;
    bool operator==(const AdmitEntry&) const = default;
    static const Table table;
};

// The elements of a resource of one of these types; nullptr for another one.
const Elements* elements_of(const Spec& spec);

// nft(8) shows comments of at most 128 bytes.
inline constexpr std::size_t kMostComment = 120;
inline constexpr std::string_view kCommentBegin = "partd ";
// The comment on every element of a resource, by which it is found again: "partd nat web: forward tcp/8080".
// One that is too long is hashed.
std::string comment_of(const Key& key);
// The name that a resource of that kind has by a comment without "partd "; nullopt for one of another kind.
std::optional<std::string> name_in_comment(const LiveKind& kind, std::string_view comment);

// The resource of that name for what a partition declares.
Resource entry_of(Key key, Spec spec, const std::string& owner, const Source& source);

// Finds the entries of every kind by their comments.
Result<> observe_entries(Observation& observation);
// Adds and removes elements; ends the connections of forwards that go or change.
Result<> apply_entry(ApplyContext& context, const Change& change, std::size_t number);

// Each key of a set can stand in one element only.
std::vector<std::string> claims_of(const Elements& elements);

// The sets that all wanted entries use.
std::set<std::string> sets_in_use(const State& desired);

}  // namespace partd::nat

namespace partd {

template <>
struct Codec<nat::Elements> {
    static bool read(const Value&, nat::Elements&, Diagnostics&) { return false; }  // no key of the language
    static std::string text(const nat::Elements& value);
    static Value json(const nat::Elements& value);
    static Value schema() { return {}; }
};

}  // namespace partd
