// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "doctor/cautions.h"
#include "kernel/rights.h"
#include "kinds/host/host.h"
#include "kinds/machine/exposure.h"
#include "kinds/namespace/inspect.h"
#include "verbs/context.h"
#include "verbs/lines.h"
#include "verbs/warnings.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace partd::verbs {

namespace {

// Declarations that their author may not mean.
std::vector<Warning> doubtful(const Desired& desired) {
    std::vector<Warning> found;
    for (const Caution& each : cautions(desired.compiled.declared)) {
        found.push_back({each.partition, each.problem()});
    }
    return found;
}

// Declarations that are right, and that this host has nothing for, or leaves open, now: no mistake in the
// files, and apply would say it.
std::vector<Warning> amiss_here(const kernel::Paths& paths, const Desired& desired) {
    if (!desired.good() || !kernel::may_manage()) {
        return {};
    }
    std::vector<Warning> all;
    Diagnostics found;
    inspect_roots(paths, desired.compiled.desired, found);
    inspect_metrics(desired.compiled.declared, found);
    for (const Problem& problem : found.problems()) {
        all.push_back({"", problem});
    }
    for (const Exposure& exposure : exposures(desired.compiled.declared)) {
        all.push_back({exposure.partition, {.at = exposure.at, .message = exposure.text()}});
    }
    return all;
}

// A warning about a template comes once for each of its partitions, with one text.
void tell(VerbContext& work, const std::vector<Warning>& warnings) {
    std::set<std::string> told;
    for (const auto& [partition, problem] : warnings) {
        if (!told.insert(problem.at.prefix() + problem.message).second) {
            continue;
        }
        work.say(fmt::format("{}warning: {}", printable(problem.at.prefix()), printable(problem.message)));
        if (problem.other) {
            work.say(fmt::format("  {}: note: {}", printable(problem.other.text()), printable(problem.note)));
        }
    }
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
    for (Warning& warning : amiss) {
        if (request.reader && request.files.empty()) {
            work.discretion.keep(warning.problem);
        }
    }
    std::ranges::move(observation ? amiss_here(paths, *desired) : std::vector<Warning>(),
                      std::back_inserter(amiss));
    tell(work, amiss);
    if (request.json) {
        Value overlooked = Array();
        for (const std::string& path : desired->overlooked) {
            overlooked.push(path);
        }
        Value all;
        all.set("errors", to_value(desired->problems));
        all.set("warnings", to_value(amiss));
        all.set("overlooked", std::move(overlooked));
        work.print_json(std::move(all));
    } else if (desired->good() && desired->files.empty()) {
        work.print("{}\n", kNoFiles);
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
