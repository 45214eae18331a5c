// SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes by hands and other programs to a host between two applies.

#include "../kernel/support/sandbox.h"
#include "genes.h"

#include <functional>
#include <string>

namespace partd::test {

/// One deed: how it reads, and what it does. Empty text: nothing that could be done on that host.
struct Deed {
    std::string text = {};
    std::function<void()> act = {};
    std::string netns_gone = {};  ///< the partition whose namespace it takes away
    bool ledger = false;          ///< the ledger is damaged
    bool mark = false;            ///< a mark goes: without the ledger too the object would be nobody's
};

Deed deed(const Damage& damage, const Host& host, Sandbox& sandbox);

}  // namespace partd::test
