#include "verbs/warnings.h"

#include "doctor/ports.h"
#include "kinds/isolation/exposure.h"

namespace partd::verbs {

std::vector<Warning> warnings_about(Work& work, std::string_view partition) {
    std::vector<Warning> all;
    const Declared& declared = work.desired.compiled.declared;
    const auto ports = taken_ports(declared, partition);
    if (!ports) {
        work.complain(ports.error().message);
    } else {
        for (const TakenPort& port : *ports) {
            all.push_back({port.partition, port.text()});
        }
    }
    for (const Exposure& exposure : exposures(declared, partition)) {
        all.push_back({exposure.partition, exposure.at.prefix() + exposure.text()});
    }
    return all;
}

}  // namespace partd::verbs
