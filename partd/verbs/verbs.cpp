// SPDX-License-Identifier: Apache-2.0
#include "verbs/verbs.h"

#include "verbs/life.h"

#include <algorithm>
#include <array>

namespace partd::verbs {

namespace {

// A verb that only reads files, for a caller that has an engine.
template <auto Read>
Answer with_engine(Engine& engine, const Request& request) {
    return Read(engine.paths(), request);
}

constexpr std::array kAll = {
    Verb{"check", "Check", Right::Read, with_engine<check>, check_here},
    Verb{"diff", "Diff", Right::Read, diff},
    Verb{"status", "Status", Right::Read, status},
    Verb{"list", "List", Right::Read, with_engine<list>, list},
    Verb{"show", "Show", Right::Read, show},
    Verb{"ns", "Namespaces", Right::Read, namespaces},
    Verb{"tree", "Tree", Right::Read, tree},
    Verb{"usage", "Usage", Right::Read, usage},
    Verb{"history", "History", Right::Read, history},
    Verb{"metrics", "Metrics", Right::Read, metrics},
    Verb{"doctor", "Doctor", Right::Read, doctor},
    Verb{"apply", "Apply", Right::Apply, apply},
    Verb{"confirm", "Confirm", Right::Apply, confirm},
    Verb{"rollback", "Rollback", Right::Apply, rollback},
    Verb{"pause", "Pause", Right::Manage, pause},
    Verb{"resume", "Resume", Right::Manage, resume},
    Verb{"kill", "Kill", Right::Manage, kill},
    Verb{"freeze", "Freeze", Right::Manage, freeze},
    Verb{"thaw", "Thaw", Right::Manage, thaw},
    Verb{"start", "Start", Right::Manage, start},
    Verb{"stop", "Stop", Right::Manage, stop},
    Verb{"purge", "Purge", Right::Manage, purge},
};

}  // namespace

std::span<const Verb> all_verbs() {
    return kAll;
}

const Verb& verb(std::string_view name) {
    return *std::ranges::find(kAll, name, &Verb::name);
}

}  // namespace partd::verbs
