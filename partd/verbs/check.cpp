// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "doctor/cautions.h"
#include "kernel/rights.h"
#include "kinds/host/host.h"
#include "kinds/machine/exposure.h"
#include "kinds/namespace/inspect.h"
#include "verbs/context.h"

#include <algorithm>
#include <iterator>

namespace partd::verbs {

namespace {

// Declarations that their author may not mean.
std::vector<Problem> doubtful(const Desired& desired) {
    Diagnostics found;
    for (const Caution& each : cautions(desired.compiled.declared)) {
        found.error(each.at, each.message(), each.other, each.note);
    }
    return found.problems();
}

// Declarations that are right, and that this host has nothing for, or leaves open, now: no mistake in the
// files, and apply would say it.
std::vector<Problem> amiss_here(const kernel::Paths& paths, const Desired& desired) {
    Diagnostics found;
    if (desired.good() && kernel::may_manage()) {
        inspect_roots(paths, desired.compiled.desired, found);
        for (const Exposure& exposure : exposures(desired.compiled.declared)) {
            found.error(exposure.at, exposure.text());
        }
        inspect_metrics(desired.compiled.declared, found);
    }
    return found.problems();
}

Answer check_with(const kernel::Paths& paths, const Request& request, bool observation) {
    VerbContext work(paths, request);
    const bool alone = !request.with && (!request.files.empty() || !request.unreadable.empty());
    auto desired = alone ? load_files(request.files) : load_desired(paths, {.extra = request.files});
    if (!desired) {
        return work.not_loaded(desired.error());
    }
    desired->problems.insert(desired->problems.begin(), request.unreadable.begin(), request.unreadable.end());
    if (request.files.empty()) {
        work.keep(desired->problems);
    }
    work.complain(desired->problems);
    for (const std::string& path : desired->overlooked) {
        work.say(fmt::format("{}: note: it is not read: its name does not end in .toml", printable(path)));
    }
    auto amiss = doubtful(*desired);
    if (request.files.empty()) {
        work.keep(amiss);
    }
    std::ranges::move(observation ? amiss_here(paths, *desired) : std::vector<Problem>(),
                      std::back_inserter(amiss));
    for (const Problem& problem : amiss) {
        work.say(fmt::format("{}warning: {}", printable(problem.at.prefix()), printable(problem.message)));
        if (problem.other) {
            work.say(fmt::format("  {}: note: {}", printable(problem.other.text()), printable(problem.note)));
        }
    }
    if (request.json) {
        Value overlooked = Array();
        for (const std::string& path : desired->overlooked) {
            overlooked.push(path);
        }
        Value all;
        all.set("problems", to_value(desired->problems));
        all.set("warnings", to_value(amiss));
        all.set("overlooked", std::move(overlooked));
        work.print_json(std::move(all));
    } else if (desired->good()) {
        const std::size_t files = desired->files.size();
        work.print("{} well: {} objects\n", files == 1 ? "1 file is" : fmt::format("{} files are", files),
                   desired->compiled.desired.all().size());
    }
    return work.done(desired->good() ? kDone : kInvalid);
}

}  // namespace

Answer check(const kernel::Paths& paths, const Request& request) {
    return check_with(paths, request, false);
}

Answer check_here(const kernel::Paths& paths, const Request& request) {
    return check_with(paths, request, true);
}

}  // namespace partd::verbs
