#include "reconcile/doctor.h"

#include "base/text.h"
#include "ctl/session.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

void print_as_json(const std::vector<Finding>& findings) {
    Value all = Array();
    for (const Finding& finding : findings) {
        Value entry;
        entry.set("severity", std::string(severity_name(finding.severity)));
        entry.set("what", finding.what);
        entry.set("why", finding.why);
        entry.set("mend", finding.mend);
        all.push(std::move(entry));
    }
    Value value;
    value.set("findings", std::move(all));
    print_json(std::move(value));
}

void print_as_text(const std::vector<Finding>& findings, bool color) {
    static constexpr std::array kColors = {"32", "36", "33", "31"};
    for (const Finding& finding : findings) {
        const auto severity = static_cast<std::size_t>(finding.severity);
        const std::string word = fmt::format("{:<8}", severity_name(finding.severity));
        fmt::print("{} {}\n", color ? fmt::format("\033[{}m{}\033[0m", kColors[severity], word) : word,
                   printable(finding.what));
        for (const auto& [title, text] :
             {std::pair("why:", &finding.why), std::pair("mend:", &finding.mend)}) {
            if (!text->empty()) {
                fmt::print("         {:<5} {}\n", title, printable(*text));
            }
        }
    }
}

}  // namespace

int run_doctor(const Options& options) {
    auto session = open_session(options, "doctor", true);
    if (!session) {
        return session.error();
    }
    const auto findings = diagnose(session->host, session->desired);
    const auto count = [&](Severity severity) {
        return std::ranges::count(findings, severity, &Finding::severity);
    };
    if (options.json) {
        print_as_json(findings);
    } else {
        print_as_text(findings, options.color);
        if (options.legend) {
            fmt::print(stderr, "problems: {}, warnings: {}, notes: {}, well: {}\n", count(Severity::Problem),
                       count(Severity::Warning), count(Severity::Note), count(Severity::Ok));
        }
    }
    return count(Severity::Problem) + count(Severity::Warning) == 0 ? kDone : kDifferences;
}

}  // namespace partd::ctl
