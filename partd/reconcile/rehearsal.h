// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/host.h"
#include "model/plan.h"
#include "reconcile/executor.h"

#include <set>
#include <string>

namespace partd {

// Checks of a plan before it is carried out: its cost, whether replacements of running objects can be made at
// all, and the rest of the plan without the changes that cannot.

// Notes with each removal which processes it ends; each with the first that does. A plan that ends nothing
// costs nothing to ask.
void foretell(kernel::Host& host, Plan& plan);

// Makes the namespaces, roots and programs that come in the place of running ones, where nobody sees them,
// and lets them go again. Returns what failed; nothing of the host has changed.
std::vector<Execution::Failed> rehearse(kernel::Host& host, const Plan& plan);

// The plan without changes of these keys or of owners that are paused, and without what comes after those. Of
// a partition that is made anew, either all is done or nothing: what is removed only to be replaced stays
// when its replacement does not come.
Plan without(Plan plan, const std::set<std::string>& keys, const std::set<std::string>& paused);

}  // namespace partd
