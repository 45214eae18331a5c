#pragma once

#include "kernel/nftables.h"
#include "kinds/kinds.h"

#include <set>
#include <vector>

namespace partd::nat {

// Elements of the table's sets, as a member of a resource.
struct Elements {
    std::set<kernel::nft::Element> all;
    bool operator==(const Elements&) const = default;
};

// What one declaration puts into the table.
struct Entry {
    Elements elements;
    bool operator==(const Entry&) const = default;
    static const Table table;
};

// The comment on every element of an entry, by which it is found again. Names that are too long for a comment
// are hashed.
std::string comment_of(const Key& key);

// The resource of kind nat for what a partition declares there: "web: masquerade".
Resource entry_of(const DeclaredObject& object, const Source& source, std::string_view what,
                  Elements elements);

// Finds the entries of every kind by their comments.
Result<> observe_entries(Look& look);
// Adds and removes elements; ends the connections of forwards that go or change.
Result<> apply_entry(Doing& doing, const Change& change, std::size_t number);

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
