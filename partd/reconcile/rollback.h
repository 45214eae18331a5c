// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/text_file.h"
#include "base/value.h"
#include "kernel/host.h"
#include "model/plan.h"
#include "model/resource.h"
#include "model/scope.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace partd {

struct Inspection;

// The way back from an apply that waits to be confirmed. It stands on disk before the first change, so that
// whoever comes after a crash or a reboot can still go it.
struct Confirmation {
    std::uint64_t generation = 0;           // to go back to; 0: to a host without anything of ours
    std::string boot = {};                  // the boot that the deadline and what stood before are of
    std::chrono::milliseconds deadline{0};  // on CLOCK_BOOTTIME

    // A value that no file of that generation asks for, and that the apply changed.
    struct Former {
        std::string kind, name, field;
        Value value = {};
    };
    std::vector<Former> former = {};
    Scope scope = {};                      // that was observed
    std::vector<std::string> before = {};  // our objects in it, a line each, sorted
};

// Builds the way back from this view: the values that its plan changes, and our objects before it does.
Confirmation way_back(const Inspection& view, const Scope& scope, std::uint64_t generation,
                      std::chrono::milliseconds deadline);
Result<> write_confirmation(const kernel::Paths& paths, const Confirmation& confirmation);
// The way back from the document that was applied last, which nobody asked for (yet).
Result<> write_way_back(const kernel::Paths& paths, const Confirmation& way);
Result<std::optional<Confirmation>> read_way_back(const kernel::Paths& paths);
Result<> forget_way_back(const kernel::Paths& paths);
// The one that waits; nullopt when none does.
Result<std::optional<Confirmation>> read_confirmation(const kernel::Paths& paths);
Result<> remove_confirmation(const kernel::Paths& paths);

// How long it has still to wait; nothing when it is of another boot.
std::chrono::milliseconds time_left(const Confirmation& confirmation);
// Asks for the former values where the desired state leaves them open.
void want_former(const Confirmation& confirmation, State& desired);
// Differences from the former state, a line each. For another boot only declared values can be compared,
// which the apply has done.
std::vector<std::string> differences(const Confirmation& confirmation, const State& observed);
// The object of such a line, without its values.
std::string object_of(const std::string& line);

// Files that were rolled back: as long as they stay as they are, an earlier generation is in force.
struct RolledBack {
    std::uint64_t files = 0;       // a hash of them
    std::uint64_t generation = 0;  // in force; 0: nothing is declared
};
std::uint64_t hash_of(const std::vector<TextFile>& files);
// An error also when it could be written for this boot only.
Result<> write_rolled_back(const kernel::Paths& paths, const RolledBack& rolled_back);
Result<std::optional<RolledBack>> read_rolled_back(const kernel::Paths& paths);
// Fails also if they would count again for this boot only.
Result<> forget_rolled_back(const kernel::Paths& paths);

}  // namespace partd
