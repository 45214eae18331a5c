#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>

namespace partd {

// What partd knows about one object that it made.
struct LedgerEntry {
    std::string identity = {};  // as Resource::identity; "" when it was about to be made
    std::string owner = {};
    std::chrono::system_clock::time_point since = {};
    bool operator==(const LedgerEntry&) const = default;
};

// Everything that partd made on this host, by kind and name.
struct Ledger {
    using Name = std::pair<std::string, std::string>;

    bool lost = false;  // there was none, or it was damaged: the marks alone tell what is ours
    std::map<Name, LedgerEntry> entries = {};
    // The entry of that object; nullptr when there is none.
    [[nodiscard]] const LedgerEntry* find(std::string_view kind, const std::string& name) const {
        const auto found = entries.find({std::string(kind), name});
        return found == entries.end() ? nullptr : &found->second;
    }
    // Calls `each(name, entry)` for every object of that kind.
    template <class Each>
    void for_kind(std::string_view kind, Each each) const {
        for (auto at = entries.lower_bound({std::string(kind), {}});
             at != entries.end() && at->first.first == kind; ++at) {
            each(at->first.second, at->second);
        }
    }
};

}  // namespace partd
