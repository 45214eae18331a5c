// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"
#include "kinds/link/interfaces.h"
#include "kinds/marks.h"

namespace partd {

// One address of one of our interfaces.
struct InterfaceAddress {
    std::string netns;
    std::string interface;
    Address address;
    std::string mark = std::string(kMarked);
    int index = 0;           // of the interface where it was found, whatever that is called by now
    bool secondary = false;  // another one of the same network and interface stands before it in the file
    bool operator==(const InterfaceAddress&) const = default;
    static const Table table;
};

extern const LiveKind kAddress;

Key address_key(std::string_view netns, std::string_view interface, const Address& address);

}  // namespace partd
