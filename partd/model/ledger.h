#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
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
class Ledger {
public:
    using Name = std::pair<std::string, std::string>;

    bool lost = false;  // there was none, or it was damaged: the marks alone tell what is ours

    [[nodiscard]] const std::map<Name, LedgerEntry>& entries() const { return entries_; }
    // The entry of that object; nullptr when there is none.
    [[nodiscard]] const LedgerEntry* find(std::string_view kind, const std::string& name) const;
    // What that owner has; "" is what belongs to nobody alone.
    [[nodiscard]] const std::set<Name>& of_owner(const std::string& owner) const;
    // False when it was so already.
    bool set(const Name& name, LedgerEntry entry);
    bool erase(const Name& name);
    // Calls `each(name, entry)` for every object of that kind.
    template <class Each>
    void for_kind(std::string_view kind, Each each) const {
        for (auto at = entries_.lower_bound({std::string(kind), {}});
             at != entries_.end() && at->first.first == kind; ++at) {
            each(at->first.second, at->second);
        }
    }

private:
    std::map<Name, LedgerEntry> entries_;
    std::map<std::string, std::set<Name>> by_owner_;
};

}  // namespace partd
