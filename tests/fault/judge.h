// SPDX-License-Identifier: Apache-2.0
#pragma once
// One point: a host, one disturbance, and what has to hold afterwards.

#include "../kernel/support/machine.h"
#include "scenario.h"
#include "tracer.h"
#include "view.h"

#include <memory>
#include <optional>

namespace partd::fault {

struct Verdict {
    bool reached = false;  ///< the disturbed call was made
    Seen at;               ///< which it was
    std::string defect;    ///< empty: all held
    std::string remark;    ///< not wrong, but worth a look: how it ended
    bool dirty = false;    ///< the host is not as before: it cannot be used again
};

/// A throw-away host with objects of others on it, on which points are tried one after the other.
class Stage {
public:
    Stage();

    /// The calls of the scenario, undisturbed.
    std::vector<Seen> census(const Scenario& scenario);
    Verdict judge(const Scenario& scenario, const Injection& injection);

private:
    void make_foreign_objects();
    void write(const Files& files);
    void forget_partd() const;
    test::Outcome apply() const;
    Traced disturbed(const Scenario& scenario, const Injection& injection) const;
    const test::Snapshot& reference(const Scenario& scenario);
    /// Applies the scenario's first files on a host without anything of partd's.
    void begin(const Scenario& scenario);
    /// Judges how the disturbed program ended; "" if nothing is wrong.
    std::string ending(const Traced& traced, const Injection& injection, const Scenario& scenario);
    std::string converges(const Scenario& scenario);
    std::string leaves_nothing();
    /// The difference from that, once the kernel has come to rest; `but` is a topic that is not looked at.
    std::string differs(const test::Snapshot& wanted, const std::string& but = {});

    std::unique_ptr<test::Sandbox> sandbox_;
    std::optional<test::RootTree> root_;
    test::Snapshot virgin_;
    bool refuses_ = false;  ///< a single message is refused now
    std::map<std::string, test::Snapshot> references_;
};

}  // namespace partd::fault
