// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/plan.h"
#include "model/resource.h"

#include <string>

namespace partd::plan {

struct DiffOptions {
    std::string only = {};  // changes of this partition or slice and what they need; "" for all
    bool removals = true;   // false when what is missing cannot be believed to be gone
};

// Everything that makes the observed state the desired one, in an order that satisfies all needs and sorted
// into waves. Pure: the same states give the same plan.
Plan diff(const State& desired, const State& observed, const DiffOptions& options = {});

// The fields in which the found object is not as wanted.
std::vector<FieldChange> compare(const Resource& wanted, const Resource& found);

}  // namespace partd::plan
