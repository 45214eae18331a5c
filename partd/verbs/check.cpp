#include "base/text.h"
#include "verbs/work.h"

namespace partd::verbs {

Answer check(const kernel::Paths& paths, const Request& request) {
    Work work(paths, request);
    auto desired = request.files.empty() && request.unreadable.empty() ? load_desired(paths, {})
                                                                       : load_files(request.files);
    if (!desired) {
        return work.not_loaded(desired.error());
    }
    desired->problems.insert(desired->problems.begin(), request.unreadable.begin(), request.unreadable.end());
    work.complain(desired->problems);
    for (const std::string& path : desired->overlooked) {
        work.say(fmt::format("{}: note: it is not read: its name does not end in .toml", printable(path)));
    }
    if (request.json) {
        Value problems = Array();
        for (const Problem& problem : desired->problems) {
            Value entry;
            entry.set("file", problem.at ? Value(*problem.at.file) : Value());
            entry.set("line", problem.at.line);
            entry.set("column", problem.at.column);
            entry.set("message", problem.message);
            problems.push(std::move(entry));
        }
        Value overlooked = Array();
        for (const std::string& path : desired->overlooked) {
            overlooked.push(path);
        }
        Value all;
        all.set("problems", std::move(problems));
        all.set("overlooked", std::move(overlooked));
        work.print_json(std::move(all));
    } else if (desired->good()) {
        const std::size_t files = desired->files.size();
        work.print("{} well: {} objects\n", files == 1 ? "1 file is" : fmt::format("{} files are", files),
                   desired->compiled.desired.all().size());
    }
    return work.done(desired->good() ? kDone : kInvalid);
}

}  // namespace partd::verbs
