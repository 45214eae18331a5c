// SPDX-License-Identifier: Apache-2.0
#pragma once
// A throw-away host on which others have objects of theirs.

#include "../kernel/support/sandbox.h"

#include <string>

namespace partd::test {

/// A table of another program, in nft(8)'s language.
inline constexpr const char* kForeignTable =
    "table inet filter {\n"
    "  set friends { type ipv4_addr; elements = { 192.0.2.7, 192.0.2.8 }; }\n"
    "  chain forward { type filter hook forward priority 0; policy accept; ip saddr @friends counter accept; "
    "}\n"
    "}\n";

class World {
public:
    World();

    Sandbox& sandbox() { return sandbox_; }
    /// The objects of others, as they are now.
    std::string foreign();
    /// The host before partd, with the objects of others.
    [[nodiscard]] const Snapshot& before() const { return before_; }

private:
    Sandbox sandbox_;
    Snapshot before_;
};

}  // namespace partd::test
