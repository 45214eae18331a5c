// SPDX-License-Identifier: Apache-2.0
#include "config/compile.h"
#include "config/toml.h"
#include "ctl/options.h"
#include "kernel/file/config_files.h"
#include "kinds/kinds.h"

#include <fmt/format.h>

namespace partd::ctl {

int run_schema(const Options& options) {
    if (options.manual) {
        std::vector<TextFile> examples;
        for (const std::string& path : options.files) {
            auto file = kernel::read_named_file(path, config::kMaxFileSize);
            if (!file) {
                complain(file.error().message);
                return kUsage;
            }
            examples.push_back(std::move(*file));
        }
        fmt::print("{}", config::manual(pure_kinds(), examples));
        return kDone;
    }
    fmt::print("{}\n", to_json(config::schema(pure_kinds()), 2));
    return kDone;
}

}  // namespace partd::ctl
