// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.h"

#include "base/text.h"
#include "verbs/context.h"

#include <algorithm>
#include <array>

namespace partd::verbs {

namespace {

Value to_value(const std::vector<Finding>& findings) {
    Value all = Array();
    for (const Finding& finding : findings) {
        Value entry;
        entry.set("severity", std::string(severity_name(finding.severity)));
        entry.set("what", finding.what);
        entry.set("why", finding.why);
        entry.set("fix", finding.fix);
        entry.set("run", finding.remedy.run);
        entry.set("undo", finding.remedy.undo);
        entry.set("partition", finding.partition.empty() ? Value() : Value(finding.partition));
        entry.set("file", finding.at ? Value(*finding.at.file) : Value());
        entry.set("line", finding.at ? Value(finding.at.line) : Value());
        all.push(std::move(entry));
    }
    Value value;
    value.set("findings", std::move(all));
    return value;
}

void print(VerbContext& work, const std::vector<Finding>& findings) {
    static constexpr std::array kColors = {"32", "36", "33", "31"};
    for (const Finding& finding : findings) {
        const auto severity = static_cast<std::size_t>(finding.severity);
        const std::string word = fmt::format("{:<8}", severity_name(finding.severity));
        work.print("{} {}\n",
                   work.request.color ? fmt::format("\033[{}m{}\033[0m", kColors[severity], word) : word,
                   printable(finding.what));
        static const std::string kNoUndo = "nothing brings it back";
        const auto& [run, undo] = finding.remedy;
        for (const auto& [title, text] :
             {std::pair("why:", &finding.why), std::pair("fix:", &finding.fix), std::pair("run:", &run),
              std::pair("undo:", run.empty() || !undo.empty() ? &undo : &kNoUndo)}) {
            if (!text->empty()) {
                work.print("         {:<5} {}\n", title, printable(*text));
            }
        }
    }
}

}  // namespace

Answer doctor(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    const auto findings = diagnose(engine.host(), work.desired, engine.ledger());
    const auto count = [&](Severity severity) {
        return std::ranges::count(findings, severity, &Finding::severity);
    };
    if (request.json) {
        work.print_json(to_value(findings));
    } else {
        print(work, findings);
        if (request.legend) {
            work.say(fmt::format("problems: {}, warnings: {}, notes: {}, well: {}", count(Severity::Problem),
                                 count(Severity::Warning), count(Severity::Note), count(Severity::Ok)));
        }
    }
    return work.done(count(Severity::Problem) + count(Severity::Warning) == 0 ? kDone : kDifferences);
}

}  // namespace partd::verbs
