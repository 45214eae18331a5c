// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/values.h"
#include "kernel/host.h"
#include "model/declared.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd {

// A port of the host that a partition's forward and somebody else want.
struct TakenPort {
    std::string partition;
    Source source;  // of the forward
    PortRange listen;
    std::string holder;  // "nginx (process 123) listens on 0.0.0.0:8080"
    std::string effect;  // which of them gets the connections

    // "tcp/8080 of web: HOLDER, too; EFFECT".
    [[nodiscard]] std::string message() const;
};

// Of the forwards of that partition, or of all with "". Nothing is asked when there are none; else the
// sockets and the rules of others are listed once. An error when they cannot be.
Result<std::vector<TakenPort>> taken_ports(kernel::Host& host, const Declared& declared,
                                           std::string_view partition = {});

}  // namespace partd
