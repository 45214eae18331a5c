// SPDX-License-Identifier: Apache-2.0
#include "ctl/examples.h"

#include <fmt/format.h>

namespace partd::ctl {

namespace {

struct Example {
    std::string_view verb;
    std::string_view line;
    std::string_view purpose;
};

constexpr Example kExamples[] = {
    {"check", "partctl check", "all files, with file, line and column of each mistake"},
    {"check", "partctl check web.toml", "this file alone"},
    {"check", "partctl check --with web.toml", "this file among those in /etc/partd, before it is put there"},
    {"diff", "partctl diff", "what apply would do, a line for each change"},
    {"diff", "partctl diff web", "of this partition alone"},
    {"diff", "partctl diff --generation 11", "what a rollback to this generation would change"},
    {"status", "partctl status", "a line for each partition"},
    {"status", "partctl status web", "each object of web, with what is not as declared"},
    {"status", "partctl status --check --json", "for a script: 1 where something is not as declared"},
    {"list", "partctl list", "each partition and slice, with the line that declares it"},
    {"list", "partctl list --json", "for a program"},
    {"show", "partctl show web", "each attribute, as declared and as the host has it"},
    {"show", "partctl show web --json", "for a program"},
    {"ns", "partctl ns", "all namespaces of the host, with their partitions"},
    {"ns", "partctl ns web", "those of web"},
    {"ns", "partctl ns --json", "for a program"},
    {"tree", "partctl tree", "slices, partitions, namespaces and processes"},
    {"tree", "partctl tree web --full", "of web alone, lines as long as they are"},
    {"top", "partctl top", "until interrupted, a second between two readings"},
    {"top", "partctl top --sort memory -n 1", "once, the largest first"},
    {"history", "partctl history", "the generations that were applied"},
    {"history", "partctl history --json", "with the files of each"},
    {"metrics", "partctl metrics", "figures for Prometheus, now"},
    {"metrics", "partctl metrics --json", "the same text in an object"},
    {"doctor", "partctl doctor", "what on this host gets in the way, and how to mend it"},
    {"doctor", "partctl doctor --json", "for a program"},
    {"events", "partctl events", "what partd does, until interrupted"},
    {"events", "partctl events --json", "an object a line"},
    {"schema", "partctl schema", "for an editor that completes and checks the files"},
    {"schema", "partctl schema --man", "the source of partd.toml(5)"},
    {"apply", "partctl apply", "all files"},
    {"apply", "partctl apply web", "this partition alone"},
    {"apply", "partctl apply --confirm 60s", "goes back unless partctl confirm comes in time"},
    {"confirm", "partctl confirm", "the change that waits stays"},
    {"confirm", "partctl confirm --json", "in a script, which reads why where it fails"},
    {"rollback", "partctl rollback", "to the generation before"},
    {"rollback", "partctl rollback 11", "to this one of partctl history"},
    {"wait", "partctl wait web --timeout 30s", "before a program that needs web"},
    {"wait", "partctl wait", "for all partitions"},
    {"pause", "partctl pause web", "before work by hand in web"},
    {"pause", "partctl pause --files", "before several files are edited"},
    {"resume", "partctl resume web --check", "what was changed by hand meanwhile"},
    {"resume", "partctl resume web", "undoes that"},
    {"resume", "partctl resume --files", "takes up the edited files"},
    {"start", "partctl start web", "after partctl stop web"},
    {"start", "partctl start web --json", "in a script"},
    {"stop", "partctl stop web", "until partctl start web, also over a reboot"},
    {"stop", "partctl stop web --json", "in a script"},
    {"restart", "partctl restart web", "its programs are ended, and begin anew"},
    {"restart", "partctl restart web --json", "in a script, which reads two objects"},
    {"kill", "partctl kill web", "SIGTERM to all processes of web"},
    {"kill", "partctl kill web HUP", "another signal"},
    {"freeze", "partctl freeze web", "until partctl thaw web"},
    {"freeze", "partctl freeze web --json", "in a script, which reads why where it fails"},
    {"thaw", "partctl thaw web", "its processes go on"},
    {"thaw", "partctl thaw web --json", "in a script, which reads why where it fails"},
    {"purge", "partctl purge lab --check", "the size of the layer that would be deleted"},
    {"purge", "partctl purge lab", "asks, and deletes it for good"},
    {"exec", "partctl exec web -- ss -tln", "the servers in web"},
    {"exec", "partctl exec web ping -c 1 10.1.1.2", "the dashes may be left out"},
    {"shell", "partctl shell web", "a login shell; exit leaves it"},
    {"shell", "partctl shell web --no-daemon", "also where partd does not answer"},
    {"help", "partctl help", "all verbs"},
    {"help", "partctl help apply", "the options of one"},
    {"version", "partctl version", "of partctl"},
    {"version", "partctl --version", "the same"},
};

}  // namespace

std::string examples_of(std::string_view verb) {
    std::string text;
    for (const Example& example : kExamples) {
        if (example.verb == verb) {
            text += fmt::format("{}  {:<36} {}\n", text.empty() ? "Examples:\n" : "", example.line,
                                example.purpose);
        }
    }
    return text;
}

}  // namespace partd::ctl
