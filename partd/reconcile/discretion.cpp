// SPDX-License-Identifier: Apache-2.0
#include "reconcile/discretion.h"

#include "kernel/file/config_files.h"
#include "plan/render.h"

#include <algorithm>

namespace partd {

bool Discretion::keeps(const Source& source) {
    if (!source) {
        return false;
    }
    const auto [known, is_new] = known_.try_emplace(*source.file, false);
    if (is_new) {
        known->second = !kernel::others_may_read(*source.file);
    }
    return known->second;
}

bool Discretion::concerns(const Change& change) {
    return keeps(change.source) ||
           std::ranges::any_of(change.fields, [&](const FieldChange& field) { return keeps(field.source); });
}

void Discretion::keep(Change& change) {
    change.kept = concerns(change);
    if (change.kept) {
        for (FieldChange& field : change.fields) {
            field.from = kKept;
            field.to = kKept;
        }
    }
}

void Discretion::keep(Plan& plan) {
    std::ranges::for_each(plan.changes, [&](Change& change) { keep(change); });
}

std::string Discretion::line_of(const Change& change) {
    if (!concerns(change)) {
        return plan::render_line(change);
    }
    Change told = change;
    keep(told);
    return plan::render_line(told);
}

void Discretion::keep(Problem& problem) {
    if (keeps(problem.at) || keeps(problem.other)) {
        problem.message =
            "something is wrong here, and the file is not for all to read: partctl check, as root";
        problem.note = problem.other ? "the other place" : "";
    }
}

void Discretion::keep(std::vector<Problem>& problems) {
    std::ranges::for_each(problems, [&](Problem& problem) { keep(problem); });
}

std::string Discretion::told(const Error& error, const Source& source) {
    if (!keeps(source) && !keeps(error.at)) {
        return error.message;
    }
    return (error.code == 0 ? "it failed" : errno_text(error.code)) +
           "; more is not for all to read: partctl apply, as root";
}

}  // namespace partd
