// SPDX-License-Identifier: Apache-2.0
// The floor: what the kernel takes for the work of a plan, by the fewest and best system calls. The state at
// the end is the one that partd makes of bench/document.py's document; tests/bench/run compares them.
#include "partition.h"

#include <stdio.h>
#include <stdlib.h>

#include <string_view>

namespace bench {

std::string Partition::name() const {
    std::array<char, 16> text = {};
    ::snprintf(text.data(), text.size(), "p%04d", number);
    return text.data();
}

std::array<std::uint8_t, 4> Partition::v4(int host) const {
    return {10, static_cast<std::uint8_t>(64 + number / 256), static_cast<std::uint8_t>(number % 256),
            static_cast<std::uint8_t>(host)};
}

std::array<std::uint8_t, 16> Partition::v6(int host) const {
    std::array<std::uint8_t, 16> ip = {0xfd, 0};
    ip[3] = static_cast<std::uint8_t>(64 + number / 256);
    ip[5] = static_cast<std::uint8_t>(number % 256);
    ip[15] = static_cast<std::uint8_t>(host);
    return ip;
}

}  // namespace bench

namespace {

constexpr char kUsage[] =
    "floor MARKS LIMITS OPERATION ARGUMENTS: MARKS and LIMITS are where cgroups are marked and limited (- "
    "for none)\n"
    "  create FIRST COUNT, look COUNT THREADS, change NUMBER MTU, repair NUMBER, remove FIRST COUNT, clear "
    "COUNT, "
    "elements TIMES\n";

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) {
        ::fputs(kUsage, stderr);
        return 2;
    }
    const std::string_view limits = argv[2];
    const bench::Cgroups cgroups{argv[1], limits == "-" ? "" : argv[2]};
    const std::string_view operation = argv[3];
    const int first = ::atoi(argv[4]);
    const int second = argc > 5 ? ::atoi(argv[5]) : 1;
    if (operation == "create") {
        bench::create(first, second, cgroups);
    } else if (operation == "look") {
        bench::look(first, second, cgroups);
    } else if (operation == "change") {
        bench::change_mtu(first, static_cast<std::uint32_t>(second));
    } else if (operation == "repair") {
        bench::repair(first);
    } else if (operation == "remove") {
        bench::remove(first, second, false, cgroups);
    } else if (operation == "clear") {
        bench::remove(0, first, true, cgroups);
    } else if (operation == "elements") {
        bench::try_elements(first);
    } else {
        ::fputs(kUsage, stderr);
        return 2;
    }
    return 0;
}
