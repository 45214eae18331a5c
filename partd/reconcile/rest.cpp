// SPDX-License-Identifier: Apache-2.0
#include "reconcile/rest.h"

#include "base/text.h"
#include "kinds/stopped.h"
#include "reconcile/pause.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace partd {

namespace {

const std::string kStopped = "stopped until partctl start: ";

}  // namespace

bool tells_of_rest(const std::string& note) {
    return note.starts_with(kStopped);
}

Result<> leave_stopped(const kernel::Paths& paths, Desired& desired) {
    const auto by_hand = stopped(paths);
    PARTD_TRY(by_hand);
    drop_owners(desired.compiled.desired, stopped_partitions(desired.compiled.declared, *by_hand));
    if (by_hand->empty()) {
        return {};
    }
    const std::set<std::string> owners = desired.compiled.declared.owners();
    std::vector<std::string> declared;
    std::ranges::set_intersection(*by_hand, owners, std::back_inserter(declared));
    if (!declared.empty()) {
        desired.notes.push_back(kStopped + join(declared, ", "));
    }
    return {};
}

std::set<std::string> not_running(const kernel::Paths& paths, const Declared& declared) {
    return stopped_partitions(declared, stopped(paths).value_or(std::set<std::string>()));
}

}  // namespace partd
