// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/plan.h"
#include "model/resource.h"

#include <string>
#include <unordered_set>

namespace partd::plan {

// The same plan with its changes in an order that puts each behind those it comes after, and its wave: one
// more than theirs, or the same when both reach the kernel as one transaction.
Plan in_waves(Plan plan);

using Keys = std::unordered_set<Key, KeyHash>;

// What the resources of that partition or slice need, and what that needs in turn, whoever owns it.
Keys needs_of(const State& desired, const std::string& owner);

// Only the changes of one partition or slice and of what it needs that nobody owns, and those that they come
// after.
Plan restrict_to(Plan plan, const std::string& owner, const Keys& needed);

}  // namespace partd::plan
