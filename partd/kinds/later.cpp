// SPDX-License-Identifier: Apache-2.0
#include "kinds/later.h"

namespace partd {

namespace {

constexpr Declaration kLanguage[] = {
    {.path = "network"},
    {.path = "assert"},
    {.path = "partition.*.firewall"},
};

}  // namespace

constinit const LiveKind kLater = {.kind = {.name = "later", .language = kLanguage}};

}  // namespace partd
