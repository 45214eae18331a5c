// SPDX-License-Identifier: Apache-2.0
#include "verbs/warnings.h"

#include "doctor/clashes.h"
#include "doctor/cut_off.h"
#include "doctor/ports.h"
#include "kinds/machine/exposure.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

void add(VerbContext& work, std::vector<Warning>& all, const std::string& partition, Problem problem) {
    if (work.keeps(problem.at) || (problem.other && work.keeps(problem.other))) {
        problem = {.at = problem.at, .message = kKept};
    }
    all.push_back({partition, std::move(problem)});
}

}  // namespace

std::string Warning::text() const {
    return problem.at.prefix() + problem.message +
           (problem.other ? fmt::format(" ({}: {})", problem.note, problem.other.place()) : "");
}

Value to_value(const std::vector<Warning>& warnings) {
    Value all = Array();
    for (const Warning& warning : warnings) {
        Value value = to_value(warning.problem);
        value.set("partition", warning.partition.empty() ? Value() : Value(warning.partition));
        all.push(std::move(value));
    }
    return all;
}

std::vector<Warning> warnings_about(VerbContext& work, kernel::Host& host, std::string_view partition) {
    std::vector<Warning> all;
    const Declared& declared = work.desired.compiled.declared;
    const auto ports = taken_ports(host, declared, partition);
    if (!ports) {
        work.complain(ports.error().message);
    } else {
        for (const TakenPort& port : *ports) {
            add(work, all, port.partition, {.at = port.source, .message = port.message()});
        }
    }
    auto doubts = cautions(declared, partition);
    if (auto found = clashes(declared, partition); found) {
        std::ranges::move(*found, std::back_inserter(doubts));
    } else {
        work.complain(found.error().message);
    }
    for (const Caution& each : doubts) {
        add(work, all, each.partition, each.problem());
    }
    for (const Exposure& exposure : exposures(declared, partition)) {
        add(work, all, exposure.partition, {.at = exposure.at, .message = exposure.text()});
    }
    return all;
}

void add_waits(VerbContext& work, kernel::Host& host, std::string_view partition,
               std::vector<Warning>& warnings) {
    for (const auto& [name, one] : host.waits().all()) {
        if (!one.text.empty() && (partition.empty() || partition == one.owner)) {
            add(work, warnings, one.owner, {.at = one.at, .message = one.text});
        }
    }
}

void add_cut_offs(VerbContext& work, Engine& engine, std::string_view partition,
                  std::vector<Warning>& warnings) {
    const auto found = cut_offs(engine.host(), work.desired, partition);
    if (!found) {
        work.complain(fmt::format("it cannot be seen what other firewalls drop: {}; look with partctl doctor",
                                  found.error().message));
        return;
    }
    for (const CutOff& each : *found) {
        add(work, warnings, each.partition, {.at = each.source, .message = each.what});
    }
}

}  // namespace partd::verbs
