#pragma once

#include "model/plan.h"

#include <string>

namespace partd::plan {

// The same plan with its changes in an order that puts each behind those it comes after, and its wave: one
// more than theirs, or the same when both reach the kernel as one transaction.
Plan in_waves(Plan plan);

// Only the changes of one partition or slice, and those that they come after.
Plan restrict_to(Plan plan, const std::string& owner);

}  // namespace partd::plan
