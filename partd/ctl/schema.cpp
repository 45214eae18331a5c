#include "config/compile.h"
#include "ctl/options.h"
#include "kinds/kinds.h"

#include <fmt/format.h>

namespace partd::ctl {

int run_schema(const Options&) {
    fmt::print("{}\n", to_json(config::schema(pure_kinds()), 2));
    return kDone;
}

}  // namespace partd::ctl
