// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verbs/context.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd::verbs {

// A declaration that works, and not as its author may think.
struct Warning {
    std::string partition;  // "" where it concerns no single one
    Problem problem;

    // The message with its place in front, and the second place: " (the other end: /etc/partd/web.toml:6)".
    [[nodiscard]] std::string text() const;
};
Value to_value(const std::vector<Warning>& warnings);

// Warnings of that partition, or of all with "": forwarded ports that somebody else has, declarations that do
// not work as meant or that this host contradicts, trees that others reach. The work complains of what it
// cannot look at.
std::vector<Warning> warnings_about(VerbContext& work, kernel::Host& host, std::string_view partition);
// Adds what the last look found to be waiting for something that partd does not make.
void add_waits(VerbContext& work, kernel::Host& host, std::string_view partition,
               std::vector<Warning>& warnings);
// Adds warnings about other programs' firewalls that drop packets which the host forwards for the partition,
// one for each of their chains.
void add_cut_offs(VerbContext& work, Engine& engine, std::string_view partition,
                  std::vector<Warning>& warnings);

}  // namespace partd::verbs
