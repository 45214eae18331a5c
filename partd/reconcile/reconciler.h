#pragma once

#include "base/error.h"
#include "kernel/host.h"
#include "model/ledger.h"
#include "model/plan.h"
#include "reconcile/executor.h"

#include <functional>
#include <set>
#include <string>

namespace partd {

// The host as it was found, and what it would take to make it as wanted.
struct View {
    State observed;
    Ledger ledger;
    Plan plan;
    bool hidden = false;  // the network namespaces cannot be seen now
};

struct ApplyOptions {
    std::string only = {};                   // one partition or slice
    bool allow_delete = false;               // however many go
    std::int64_t delete_limit = 50;          // percent
    std::set<std::string> held = {};         // texts of keys that are left as they are for now
    std::function<void()> before_look = {};  // what happened up to now is seen by the look that follows
};

// What an apply came to.
struct Outcome {
    Plan plan;               // as it was at the beginning
    Execution execution;     // of all rounds together
    std::string refused;     // why nothing was done; "" when something was
    std::size_t rounds = 0;  // of looking and carrying out
    bool converged = false;  // the last look found nothing left to do but conflicts
};

// Looks, without changing anything.
Result<View> look(kernel::Host& host, const State& desired, const std::string& only = {});
// Makes the host as wanted: observe, plan, apply, verify. One at a time on a host; others wait.
Result<Outcome> reconcile(kernel::Host& host, const State& desired, const ApplyOptions& options);

}  // namespace partd
