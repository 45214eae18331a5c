// SPDX-License-Identifier: Apache-2.0
#include "daemon/journal.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

namespace partd::daemon {

namespace {

// MESSAGE_ID of each (units/partd.catalog).
struct Id {
    std::string_view what;
    std::string_view id;
};
constexpr std::array kIds = {
    Id{"changed", "1395cb6d3c5a4854882063d158b4c304"}, Id{"repaired", "2bd486c691864b529ff55be66253bdab"},
    Id{"failed", "206fa60e68524dd287754b867adf28ad"},  Id{"contested", "1bf30efc03204d4bb4ac5b7fed4a41b7"},
    Id{"files", "4ce800dfa0314edab97ce760c19fe8f7"},   Id{"rolled-back", "ee6fa3cadc644d3c9eafc0e60e2773e2"},
    Id{"refused", "5344c103e72744d99f672eac5b1344ea"}, Id{"waiting", "0d3b5c2f7a914e6cb1f28e4a90d7c365"},
};

std::string id_of(std::string_view what) {
    const auto found = std::ranges::find(kIds, what, &Id::what);
    return found == kIds.end() ? "" : std::string(found->id);
}

}  // namespace

void tell(const Happening& happening, const std::function<void(const bus::Event&)>& emit) {
    LogFields fields;
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            fields.emplace_back(name, value);
        }
    };
    add("MESSAGE_ID", id_of(happening.what));
    add("PARTD_PARTITION", happening.partition);
    add("PARTD_KIND", happening.kind);
    add("PARTD_OBJECT", happening.object);
    add("PARTD_CHANGE", happening.change);
    add("PARTD_CULPRIT", happening.culprit);
    const std::string message = printable(happening.message);
    log_with(happening.bad, message, fields);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto time = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    emit({static_cast<std::uint64_t>(time), happening.what, happening.partition, printable(happening.object),
          message});
}

}  // namespace partd::daemon
