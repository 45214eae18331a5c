// SPDX-License-Identifier: Apache-2.0
#include "reconcile/pause.h"

#include "base/hint.h"
#include "base/text.h"
#include "verbs/context.h"

namespace partd::verbs {

namespace {

constexpr char kOneOfTwo[] = "it is either the files or a partition or slice";

}  // namespace

Answer pause(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (request.hold) {
        const auto done = request.name.empty() ? hold_files(engine.paths()) : fail(kOneOfTwo);
        return done ? work.done()
                    : work.stop(done.error().code == 0 ? Reason::Usage : Reason::Failed, done.error());
    }
    if (!work.load(true) || !work.knows_name(engine)) {
        return std::move(work.answer);
    }
    if (request.name.empty()) {
        return work.stop(Reason::Usage, "pause needs the name of a partition or slice, or --files");
    }
    if (auto done = partd::pause(engine.paths(), request.name); !done) {
        return work.failed(done.error());
    }
    return work.done();
}

namespace {

// Prints the plan of the files' changes in the meantime, then releases the files.
Answer resume_files(Engine& engine, VerbContext& work) {
    if (!files_held(engine.paths())) {
        return work.stop(Reason::NotPaused, "the files are not paused");
    }
    auto view = engine.look(work.desired);
    if (!view) {
        return work.failed(view.error());
    }
    work.print_plan(view->plan);
    if (work.request.check) {
        return work.done(view->plan.empty() ? kDone : kDifferences);
    }
    const auto done = release_files(engine.paths());
    return done ? work.done() : work.failed(done.error());
}

}  // namespace

// Prints the present differences first: they are about to be undone.
Answer resume(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (request.hold && !request.name.empty()) {
        return work.stop(Reason::Usage, kOneOfTwo);
    }
    if (!request.hold && request.name.empty()) {
        return work.stop(Reason::Usage, "resume needs the name of a partition or slice, or --files");
    }
    if (!work.load(true, request.hold)) {
        return std::move(work.answer);
    }
    if (request.hold) {
        return resume_files(engine, work);
    }
    const auto resting = paused(engine.paths());
    if (!resting) {
        return work.failed(resting.error());
    }
    if (!resting->contains(request.name)) {
        const std::vector<std::string_view> names(resting->begin(), resting->end());
        return work.stop(Reason::NotPaused, fmt::format("\"{}\" is not paused{}", request.name,
                                                        did_you_mean(request.name, names)));
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
