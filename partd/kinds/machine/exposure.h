// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd {

// A directory or file of the host that a partition's root writes to, and that other users of the host reach:
// a set-user-ID program or a device node that it leaves there is theirs to use. systemd-nspawn(1) wants
// /var/lib/machines with mode 0700 for that.
struct Exposure {
    std::string partition;
    std::string path;
    Source at;
    bool as_root = false;  // such a program runs as the host's root; else as a user of the partition's

    [[nodiscard]] std::string text() const;
};

// The exposures of that partition, or of all with "", on this host now.
std::vector<Exposure> exposures(const Declared& declared, std::string_view partition = {});

}  // namespace partd
