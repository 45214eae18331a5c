#include "ctl/session.h"

#include <fmt/format.h>

namespace partd::ctl {

int run_check(const Options& options) {
    auto desired = options.files.empty() ? load_desired(options.paths(), {}) : load_files(options.files);
    if (!desired) {
        complain(desired.error().message);
        return kInvalid;
    }
    complain(desired->problems);
    if (options.json) {
        Value problems = Array();
        for (const Problem& problem : desired->problems) {
            Value entry;
            entry.set("file", problem.at ? Value(*problem.at.file) : Value());
            entry.set("line", problem.at.line);
            entry.set("column", problem.at.column);
            entry.set("message", problem.message);
            problems.push(std::move(entry));
        }
        Value all;
        all.set("problems", std::move(problems));
        print_json(std::move(all));
    } else if (desired->good()) {
        const std::size_t files = desired->files.size();
        fmt::print("{} well: {} objects\n", files == 1 ? "1 file is" : fmt::format("{} files are", files),
                   desired->compiled.desired.all().size());
    }
    return desired->good() ? kDone : kInvalid;
}

}  // namespace partd::ctl
