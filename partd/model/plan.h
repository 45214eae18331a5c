// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/resource.h"

#include <string>
#include <vector>

namespace partd {

enum class Action : std::uint8_t { Create, Update, Remove };
std::string_view action_text(Action action);

// One attribute that differs.
struct FieldChange {
    const Field* field = nullptr;
    std::string from = {};  // both as they may be told
    std::string to = {};
    Source source = {};
};

// One step, as data: executing it is somebody else's job.
struct Change {
    Action action = Action::Create;
    Key key = {};
    std::string owner = {};
    Source source = {};                    // of the declaration; nowhere for a removal
    Spec wanted = {};                      // not of a removal
    Spec found = {};                       // not of a creation
    Spec successor = {};                   // of a removal: what takes its place, if anything does
    std::string identity = {};             // of what was found
    std::vector<FieldChange> fields = {};  // of an update, or why it is made anew
    std::vector<std::size_t> after = {};   // changes that must have succeeded before, by index in the plan
    bool implied = false;                  // the kernel does it when the last change of `after` is done
    std::size_t wave = 0;  // changes of one wave do not depend on each other, but for one transaction's
    bool kept = false;     // the wanted value is secret: only its name is shown
    std::size_t ends = 0;  // processes of those that lived when it was planned; 0 where nobody looked

    // True if that field is among those that differ.
    [[nodiscard]] bool changes(std::string_view field) const;
};

// A wanted name that something foreign holds.
struct Conflict {
    Key key = {};
    std::string owner = {};
    Source source = {};
    std::string holder = {};
};

// Something that cannot be done before a conflict is solved.
struct Blocked {
    Key key = {};
    std::string owner = {};
    Source source = {};
    Key because = {};
};

// All that has to happen for the host to become as declared; changes stand in an order that satisfies their
// needs.
struct Plan {
    std::vector<Change> changes = {};
    std::vector<Conflict> conflicts = {};
    std::vector<Blocked> blocked = {};

    [[nodiscard]] bool empty() const { return changes.empty() && conflicts.empty(); }
};

}  // namespace partd
