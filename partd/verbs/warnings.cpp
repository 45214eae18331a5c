#include "verbs/warnings.h"

#include "doctor/cautions.h"
#include "doctor/ports.h"
#include "kinds/isolation/exposure.h"

namespace partd::verbs {

namespace {

std::string kept(const Source& at) {
    return at.prefix() + kKept;
}

}  // namespace

std::vector<Warning> warnings_about(Work& work, std::string_view partition) {
    std::vector<Warning> all;
    const Declared& declared = work.desired.compiled.declared;
    const auto ports = taken_ports(declared, partition);
    if (!ports) {
        work.complain(ports.error().message);
    } else {
        for (const TakenPort& port : *ports) {
            all.push_back({port.partition, work.keeps(port.source) ? kept(port.source) : port.text()});
        }
    }
    for (const Caution& each : cautions(declared, partition)) {
        const bool secret = work.keeps(each.at) || (each.other && work.keeps(each.other));
        all.push_back({each.partition, secret ? kept(each.at) : each.text()});
    }
    for (const Exposure& exposure : exposures(declared, partition)) {
        all.push_back({exposure.partition,
                       work.keeps(exposure.at) ? kept(exposure.at) : exposure.at.prefix() + exposure.text()});
    }
    return all;
}

}  // namespace partd::verbs
