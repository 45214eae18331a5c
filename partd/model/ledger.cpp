#include "model/ledger.h"

namespace partd {

const LedgerEntry* Ledger::find(std::string_view kind, const std::string& name) const {
    const auto found = entries_.find({std::string(kind), name});
    return found == entries_.end() ? nullptr : &found->second;
}

const std::set<Ledger::Name>& Ledger::of_owner(const std::string& owner) const {
    static const std::set<Name> kNone;
    const auto found = by_owner_.find(owner);
    return found == by_owner_.end() ? kNone : found->second;
}

bool Ledger::set(const Name& name, LedgerEntry entry) {
    const auto known = entries_.find(name);
    if (known != entries_.end() && known->second == entry) {
        return false;
    }
    if (known == entries_.end() || known->second.owner != entry.owner) {
        erase(name);
        by_owner_[entry.owner].insert(name);
    }
    entries_.insert_or_assign(name, std::move(entry));
    return true;
}

bool Ledger::erase(const Name& name) {
    const auto known = entries_.find(name);
    if (known == entries_.end()) {
        return false;
    }
    const auto owned = by_owner_.find(known->second.owner);
    owned->second.erase(name);
    if (owned->second.empty()) {
        by_owner_.erase(owned);
    }
    entries_.erase(known);
    return true;
}

}  // namespace partd
