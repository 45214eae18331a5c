// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reconcile/reconciler.h"

#include <map>

namespace partd {

// Updates of the ledger by observations and executions, and the order in which it has to be written.

// The namespace that is the host: the same names elsewhere are other objects.
inline constexpr Ledger::NameView kHostEntry{"host", "netns"};

// Its entry; an error where partd made its objects from another one.
Result<LedgerEntry> check_host(kernel::Host& host, const Ledger& ledger);

// Records what an observation proves: which of our objects exist, and since when. Notes in `view` the objects
// taken over.
void record_look(Inspection& view, const State& desired, const Scope& scope, LedgerFile& file);

// Before anything is made: whatever happens then, the ledger knows of it.
void record_intentions(const Plan& plan, LedgerFile& file);

using FormerEntries = std::map<Ledger::NameView, LedgerEntry>;
// The entries of objects that a plan changes, taken before it does; the names point into the plan.
FormerEntries former_entries(const Plan& plan, const Ledger& ledger);
// Records the results of an execution.
void record_execution(const Plan& plan, const Execution& done, const FormerEntries& before, LedgerFile& file);

}  // namespace partd
