#include "reconcile/pause.h"

#include "base/text.h"
#include "verbs/work.h"

namespace partd::verbs {

Answer pause(Engine& engine, const Request& request) {
    Work work(engine.paths(), request);
    if (!work.load(true) || !work.knows_name(engine)) {
        return std::move(work.answer);
    }
    if (request.name.empty()) {  // partctl does not ask so, but others on the bus may
        work.complain("pause needs the name of a partition or slice");
        return work.done(kUsage);
    }
    if (auto done = partd::pause(engine.paths(), request.name); !done) {
        return work.failed(done.error());
    }
    return work.done();
}

// What is different now comes first: it is about to be put back.
Answer resume(Engine& engine, const Request& request) {
    Work work(engine.paths(), request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    const auto resting = paused(engine.paths());
    if (!resting) {
        return work.failed(resting.error());
    }
    if (!resting->contains(request.name)) {
        work.complain(fmt::format("\"{}\" is not paused", printable(request.name)));
        return work.done(kUsage);
    }
    auto view = engine.look(work.desired, request.name);
    if (!view) {
        return work.failed(view.error());
    }
    work.print_plan(view->plan);
    if (request.check) {  // only show
        return work.done(view->plan.empty() ? kDone : kDifferences);
    }
    if (auto done = partd::resume(engine.paths(), request.name); !done) {
        return work.failed(done.error());
    }
    return work.done();
}

}  // namespace partd::verbs
