// SPDX-License-Identifier: Apache-2.0
#include "verbs/lines.h"

#include "kinds/cgroup/cgroup.h"
#include "kinds/cgroup/limit_text.h"
#include "plan/render.h"

#include <algorithm>
#include <utility>

namespace partd::verbs {

namespace {

void write_as_files_do(Change& change) {
    const Spec& spec = change.action == Action::Remove ? change.found : change.wanted;
    if (!spec.is<Limit>()) {
        return;
    }
    for (FieldChange& field : change.fields) {
        field.from = with_units(spec.as<Limit>().key, field.from);
        field.to = with_units(spec.as<Limit>().key, field.to);
    }
}

}  // namespace

std::string lines_of(Plan plan, bool color) {
    std::ranges::for_each(plan.changes, write_as_files_do);
    return plan::render(plan, color, plan::Lines::Folded);
}

std::string line_of(const Change& change) {
    Change written = change;
    write_as_files_do(written);
    return plan::render_line(written);
}

}  // namespace partd::verbs
