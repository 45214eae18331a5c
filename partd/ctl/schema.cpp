// SPDX-License-Identifier: Apache-2.0
#include "config/compile.h"
#include "ctl/options.h"
#include "kinds/kinds.h"

#include <fmt/format.h>

namespace partd::ctl {

int run_schema(const Options& options) {
    if (options.manual) {
        fmt::print("{}", config::manual(pure_kinds()));
        return kDone;
    }
    fmt::print("{}\n", to_json(config::schema(pure_kinds()), 2));
    return kDone;
}

}  // namespace partd::ctl
