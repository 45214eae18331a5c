// SPDX-License-Identifier: Apache-2.0
// Declarations beside the host as it is.
#include "doctor/checks.h"
#include "doctor/clashes.h"

#include <fmt/format.h>

namespace partd::doctor {

namespace {

Findings findings_of(const std::vector<Caution>& all) {
    Findings found;
    for (const Caution& each : all) {
        const std::string second = each.other ? fmt::format("; {}: {}", each.note, each.other.place()) : "";
        found.push_back({.severity = Severity::Warning,
                         .what = fmt::format("{} ({}{})", each.what, each.at.place(), second),
                         .why = each.why,
                         .fix = each.fix,
                         .partition = each.partition,
                         .at = each.at});
    }
    return found;
}

Findings doubtful(const CheckContext& patient) {
    return findings_of(cautions(patient.declared()));
}

Findings contradicted(const CheckContext& patient) {
    const auto all = clashes(patient.declared());
    if (!all) {
        return {{.severity = Severity::Warning,
                 .what = fmt::format("the addresses of this host cannot be listed: {}", all.error().message),
                 .why = "what is declared may be in their way",
                 .fix = "look with: ip address; ip route"}};
    }
    return findings_of(*all);
}

constexpr Check kDeclaredChecks[] = {
    {"ends of links reach each other, and users are one partition's", doubtful},
    {"forwards listen at the host's addresses, and host ends take none of its networks", contradicted},
};

}  // namespace

std::span<const Check> declared_checks() {
    return kDeclaredChecks;
}

}  // namespace partd::doctor
