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

std::string kept(const Source& at) {
    return at.prefix() + kKept;
}

}  // namespace

std::vector<Warning> warnings_about(VerbContext& work, kernel::Host& host, std::string_view partition) {
    std::vector<Warning> all;
    const Declared& declared = work.desired.compiled.declared;
    const auto ports = taken_ports(host, declared, partition);
    if (!ports) {
        work.complain(ports.error().message);
    } else {
        for (const TakenPort& port : *ports) {
            all.push_back({port.partition, work.keeps(port.source) ? kept(port.source) : port.text()});
        }
    }
    auto doubts = cautions(declared, partition);
    if (auto found = clashes(declared, partition); found) {
        std::ranges::move(*found, std::back_inserter(doubts));
    } else {
        work.complain(found.error().message);
    }
    for (const Caution& each : doubts) {
        const bool secret = work.keeps(each.at) || (each.other && work.keeps(each.other));
        all.push_back({each.partition, secret ? kept(each.at) : each.text()});
    }
    for (const Exposure& exposure : exposures(declared, partition)) {
        all.push_back({exposure.partition,
                       work.keeps(exposure.at) ? kept(exposure.at) : exposure.at.prefix() + exposure.text()});
    }
    return all;
}

void add_waits(VerbContext& work, kernel::Host& host, std::string_view partition,
               std::vector<Warning>& warnings) {
    for (const auto& [name, one] : host.waits().all()) {
        if (!one.text.empty() && (partition.empty() || partition == one.owner)) {
            warnings.push_back({one.owner, work.keeps(one.at) ? kept(one.at) : one.at.prefix() + one.text});
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
        warnings.push_back({each.partition, work.keeps(each.source) ? kept(each.source) : each.text()});
    }
}

}  // namespace partd::verbs
