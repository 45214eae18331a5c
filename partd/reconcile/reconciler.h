// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/host.h"
#include "model/ledger.h"
#include "model/plan.h"
#include "model/scope.h"
#include "reconcile/desired_index.h"
#include "reconcile/executor.h"
#include "reconcile/ledger_file.h"

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>

namespace partd {

struct LiveKind;

// The host as it was found, and what it would take to make it as wanted.
struct Inspection {
    State observed;
    Plan plan;
    bool hidden = false;                    // the network namespaces cannot be seen now
    std::set<std::string> unreadable = {};  // nor what is in those of these partitions
    // Resources of ours that had no ledger entry before this observation (a sysctl about to be set, say).
    std::set<Ledger::Name> taken = {};
};

struct ApplyOptions {
    std::string only = {};                   // one partition or slice
    bool allow_delete = false;               // however many go
    std::int64_t delete_limit = 50;          // percent
    std::set<std::string> held = {};         // texts of keys that are left as they are for now
    std::set<std::string> paused = {};       // partitions and slices that are left as they are
    Scope scope = {};                        // to observe
    const DesiredIndex* parts = nullptr;     // of the desired state; needed for a scope of less than all
    std::function<void()> before_look = {};  // earlier events are covered by the observation that follows
    std::function<Result<>(const Inspection&)> before_change =
        {};  // sees the first plan; an error ends the apply
};

// Result of an apply.
struct Outcome {
    Plan plan;               // as it was at the beginning
    Execution execution;     // of all rounds together
    std::string refused;     // why nothing was done; "" when something was
    std::size_t rounds = 0;  // of looking and carrying out
    bool converged = false;  // nothing failed, and the last look found nothing left to do but conflicts
    // Texts of the keys that it found still to be changed, where something failed or is held, and what comes
    // after.
    std::set<std::string> left = {};
    // Changes that were carried out, and that the last look found still to be done. None when converged.
    Plan unsettled = {};
};

// Too many partitions and slices would go for the limit, in words; "" where an apply may do it.
std::string too_many_removals(const Ledger& ledger, const Plan& plan, const ApplyOptions& options);

// Compares the host with what is wanted, and makes it so: observe, plan, apply, verify. One at a time on a
// host, across processes; others wait.
class Reconciler {
public:
    explicit Reconciler(kernel::Host& host) : host_(host), ledger_(host.paths().ledger()) {}

    // Looks, without changing anything. The plan is that of one partition or slice, or of all.
    Result<Inspection> look(const State& desired, const std::string& only = {});
    // As look(), but only at what concerns that partition or slice; nullopt where that does not tell the
    // plan: something is in the way that may be another partition's, or what several share has to change.
    // With `kinds` only those are looked at, and there is no plan.
    Result<std::optional<Inspection>> look_at(const State& desired, const std::string& name,
                                              std::span<const LiveKind* const> kinds = {});
    Result<Outcome> apply(const State& desired, const ApplyOptions& options);
    // The ledger as last written by any process; if it cannot be read now, as it was.
    const Ledger& ledger() {
        (void)ledger_.read();
        return ledger_.get();
    }

    // As the last look or apply found it: of one partition's look at least what is its own.
    [[nodiscard]] const Ledger& last_ledger() const { return ledger_.get(); }

private:
    kernel::Host& host_;
    LedgerFile ledger_;
};

}  // namespace partd
