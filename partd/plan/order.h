// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/plan.h"
#include "model/resource.h"

#include <string>
#include <unordered_set>

namespace partd::plan {

// Returns the plan with each change behind all that it comes after. A change's wave is one more than the
// highest wave of these, or equal to it when both reach the kernel in one transaction.
Plan in_waves(Plan plan);

using Keys = std::unordered_set<Key, KeyHash>;

// The dependencies of the resources of that partition or slice, direct and indirect, of any owner.
Keys needs_of(const State& desired, const std::string& owner);

// Only the changes of one partition or slice and of what it needs that nobody owns, and those that they come
// after.
Plan restrict_to(Plan plan, const std::string& owner, const Keys& needed);

}  // namespace partd::plan
