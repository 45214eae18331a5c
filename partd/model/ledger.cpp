// SPDX-License-Identifier: Apache-2.0
#include "model/ledger.h"

namespace partd {

const LedgerEntry* Ledger::find(NameView name) const {
    const auto kind = kinds_.find(name.first);
    if (kind == kinds_.end()) {
        return nullptr;
    }
    const auto found = kind->second.find(name.second);
    return found == kind->second.end() ? nullptr : &found->second;
}

const std::set<Ledger::NameView>& Ledger::of_owner(const std::string& owner) const {
    static const std::set<NameView> kNone;
    const auto found = by_owner_.find(owner);
    return found == by_owner_.end() ? kNone : found->second;
}

bool Ledger::set(NameView name, LedgerEntry entry) {
    const LedgerEntry* known = find(name);
    if (known != nullptr && *known == entry) {
        return false;
    }
    if (known != nullptr && known->owner != entry.owner) {
        erase(name);
    }
    const auto kind = kinds_.try_emplace(std::string(name.first)).first;
    const auto [at, added] = kind->second.try_emplace(std::string(name.second));
    at->second = std::move(entry);
    if (added) {
        by_owner_[at->second.owner].emplace(kind->first, at->first);
        ++size_;
    }
    return true;
}

bool Ledger::erase(NameView name) {
    const auto kind = kinds_.find(name.first);
    const auto known = kind == kinds_.end() ? Entries::iterator() : kind->second.find(name.second);
    if (kind == kinds_.end() || known == kind->second.end()) {
        return false;
    }
    const auto owned = by_owner_.find(known->second.owner);
    owned->second.erase(name);
    if (owned->second.empty()) {
        by_owner_.erase(owned);
    }
    kind->second.erase(known);
    --size_;
    return true;
}

}  // namespace partd
