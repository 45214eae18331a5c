// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/strangers.h"

#include "kinds/link/interfaces.h"

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kFields[] = {
    field<&Strangers::what>("kind", "what kind of interface it is", {.role = Role::Replace, .live = true}),
};

}  // namespace

constinit const Table Strangers::table = {"link", "Interfaces that others made in a link's place.", kFields};

bool is_replaceable(const std::string& netns, const kernel::Link& link) {
    return !netns.empty() && !link.kind.empty() && !link.leads_out;
}

std::string stranger_text(const std::string& netns, const kernel::Link& link) {
    return fmt::format("{} is an interface ({}, index {}) that partd did not make",
                       place_text(netns, link.name), link.kind.empty() ? "hardware" : link.kind, link.index);
}

}  // namespace partd
