// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reconcile/reconciler.h"

#include <map>

namespace partd {

// What the ledger is told of looks and of what was done, and when it has to know.

// The namespace that is the host: the same names elsewhere are other objects.
inline constexpr Ledger::NameView kHostEntry{"host", "netns"};

// Its entry; an error where partd made its objects from another one.
Result<LedgerEntry> check_host(kernel::Host& host, const Ledger& ledger);

// What is known for certain after a look: our objects that are there, since when. Notes in the view what was
// taken over.
void record_look(Inspection& view, const State& desired, const Scope& scope, LedgerFile& file);

// Before anything is made: whatever happens then, the ledger knows of it.
void record_intentions(const Plan& plan, LedgerFile& file);

using FormerEntries = std::map<Ledger::NameView, LedgerEntry>;
// Of what a plan changes, before it does; the names are those of the plan.
FormerEntries former_entries(const Plan& plan, const Ledger& ledger);
// What became of it.
void record_execution(const Plan& plan, const Execution& done, const FormerEntries& before, LedgerFile& file);

}  // namespace partd
