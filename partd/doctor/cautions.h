// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "model/declared.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd {

// A declaration that the kernel carries out, and that does not do what its author may think.
struct Caution {
    std::string partition;
    Source at;
    std::string what;
    std::string why;  // it matters
    std::string fix;
    Source other = {};  // the second place it has to do with, if there is one
    std::string note = {};

    // "web/eth0 has MTU 9000, its other end 1500: larger packets are lost; FIX".
    [[nodiscard]] Problem problem() const;
};

// Cautions about that partition, or about all with "", that follow from the files alone: ends of a link that
// do not reach each other, users that two partitions share, root that is the host's, entries of reach and
// admit that change nothing.
std::vector<Caution> cautions(const Declared& declared, std::string_view partition = {});

}  // namespace partd
