// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace partd {

// The ledger's record of one object that partd made.
struct LedgerEntry {
    std::string identity = {};  // as Resource::identity; "" when it was about to be made
    std::string owner = {};
    std::chrono::system_clock::time_point since = {};
    bool operator==(const LedgerEntry&) const = default;
};

// Everything that partd made on this host, by kind and name.
class Ledger {
public:
    using Name = std::pair<std::string, std::string>;
    // A Name whose strings belong to the caller or to the ledger.
    using NameView = std::pair<std::string_view, std::string_view>;

    Ledger() = default;
    Ledger(Ledger&&) = default;
    Ledger& operator=(Ledger&&) = default;
    Ledger(const Ledger&) = delete;  // it may be large
    Ledger& operator=(const Ledger&) = delete;
    ~Ledger() = default;

    bool lost = false;  // there was none, or it was damaged: the marks alone tell what is ours

    [[nodiscard]] std::size_t size() const { return size_; }
    // The entry of that object; nullptr when there is none.
    [[nodiscard]] const LedgerEntry* find(NameView name) const;
    // The names of that owner's objects, valid until the ledger changes; "" is the owner of shared objects.
    [[nodiscard]] const std::set<NameView>& of_owner(const std::string& owner) const;
    // False when it was so already. The name is not one of the ledger's own.
    bool set(NameView name, LedgerEntry entry);
    bool erase(NameView name);
    // Calls `each(name, entry)` for every object of that kind.
    template <class Each>
    void for_kind(std::string_view kind, Each each) const {
        if (const auto found = kinds_.find(kind); found != kinds_.end()) {
            for (const auto& [name, entry] : found->second) {
                each(name, entry);
            }
        }
    }
    // Calls `each(NameView, entry)` for every object.
    template <class Each>
    void for_all(Each each) const {
        for (const auto& [kind, entries] : kinds_) {
            for (const auto& [name, entry] : entries) {
                each(NameView(kind, name), entry);
            }
        }
    }
    // Compares the objects and their entries; `by_owner_` follows from them.
    bool operator==(const Ledger& other) const { return kinds_ == other.kinds_; }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };
    using Entries = std::unordered_map<std::string, LedgerEntry, Hash, std::equal_to<>>;

    std::map<std::string, Entries, std::less<>> kinds_;
    std::unordered_map<std::string, std::set<NameView>> by_owner_;  // of the names in kinds_
    std::size_t size_ = 0;
};

}  // namespace partd
