// SPDX-License-Identifier: Apache-2.0
// partd_fault: kills and disturbs partctl and partd at each call that changes something, and judges the host
// afterwards. `--help` says how.

#include "../kernel/support/process.h"
#include "workers.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>

namespace {

using namespace partd::fault;

constexpr const char* kHelp =
    R"(partd_fault [--only TEXT] [--act ACT] [--at TEXT] [--call NUMBER] [--errno NUMBER] [--message NUMBER] [--sample COUNT [--seed NUMBER]]
            [--workers COUNT] [--seconds COUNT] [--report FILE] [--list] [--verbose]

Without any of them: all points of all scenarios. --only takes the scenarios whose names contain the text,
--act one of kill, kill-after, kill-main, kill-main-after, kill-init, abandon, fail, refuse. --at the calls whose
name and object contain the text, --call the one with that number. --sample draws that many points, the same ones
for the same seed, in an order of chance. --seconds begins no point after that time. --list prints the calls of the scenarios and tries nothing.
)";

struct Options {
    std::string only;
    std::string act;
    std::string at;
    std::string report;
    int call = 0;
    int error = 0;
    int message = -1;
    std::size_t sample = 0;
    unsigned seed = 1;
    unsigned workers = 2;
    int seconds = 0;
    bool list = false;
    bool verbose = false;
};

[[noreturn]] void usage() {
    std::cerr << kHelp;
    std::exit(2);
}

Options read_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto value = [&]() -> const char* { return i + 1 < argc ? argv[++i] : (usage(), nullptr); };
        const auto number = [&] { return std::atoi(value()); };
        if (word == "--only") {
            options.only = value();
        } else if (word == "--act") {
            options.act = value();
        } else if (word == "--at") {
            options.at = value();
        } else if (word == "--report") {
            options.report = value();
        } else if (word == "--call") {
            options.call = number();
        } else if (word == "--errno") {
            options.error = number();
        } else if (word == "--message") {
            options.message = number();
        } else if (word == "--sample") {
            options.sample = static_cast<std::size_t>(number());
        } else if (word == "--seed") {
            options.seed = static_cast<unsigned>(number());
        } else if (word == "--workers") {
            options.workers = static_cast<unsigned>(std::max(1, number()));
        } else if (word == "--seconds") {
            options.seconds = number();
        } else if (word == "--list") {
            options.list = true;
        } else if (word == "--verbose") {
            options.verbose = true;
        } else {
            usage();
        }
    }
    return options;
}

bool is_wanted(const Point& point, const Options& options) {
    const auto& injection = point.injection;
    return (point.at.name + " " + point.at.object).find(options.at) != std::string::npos &&
           (options.act.empty() || options.act == act_name(injection.act)) &&
           (options.call == 0 || options.call == injection.call) &&
           (options.error == 0 || options.error == injection.error) &&
           (options.message < 0 || injection.act != Act::Refuse || options.message == injection.message);
}

bool has_init(const Scenario& scenario) {
    return !scenario.before.empty() &&
           (scenario.example == "lightvm" || scenario.example == "pod" || scenario.example == "whole");
}

std::string describe(const Point& point, const Seen& at, const std::vector<Scenario>& scenarios) {
    const auto& injection = point.injection;
    std::string text = scenarios[point.scenario].name + ": " + act_name(injection.act) + " at call " +
                       std::to_string(injection.call) + ", " + at.name + " " + at.object.substr(0, 120);
    if (injection.act == Act::Refuse) {
        text += ", message " + std::to_string(injection.message);
        const auto number = static_cast<std::size_t>(injection.message);
        text += number < at.messages.size() ? " (" + at.messages[number] + ")" : "";
    }
    if (injection.error != 0) {
        text += std::string(", ") + std::strerror(injection.error);
    }
    return text;
}

std::string how_to_repeat(const Point& point, const std::vector<Scenario>& scenarios) {
    const auto& injection = point.injection;
    std::string text = "tests/fault/run --only '" + scenarios[point.scenario].name + "' --act " +
                       act_name(injection.act) + " --call " + std::to_string(injection.call);
    if (injection.act == Act::Refuse) {
        text += " --message " + std::to_string(injection.message);
    }
    return text + (injection.error != 0 ? " --errno " + std::to_string(injection.error) : "");
}

void print_calls(const std::vector<Scenario>& scenarios, const std::vector<std::vector<Seen>>& census) {
    for (std::size_t i = 0; i < scenarios.size(); ++i) {
        std::cout << "== " << scenarios[i].name << '\n';
        for (std::size_t n = 0; n < census[i].size(); ++n) {
            const Seen& call = census[i][n];
            std::cout << n + 1 << (call.changes ? "  " : " (") << call.name << (call.changes ? "" : ")")
                      << (call.by_main ? " " : " [child] ") << call.object << '\n';
        }
    }
}

/// Counts by row and column, as a table of Markdown.
class Table {
public:
    void add(const std::string& row, const std::string& column) {
        ++cells_[row][column];
        ++columns_[column];
    }
    void print(std::ostream& to, const char* corner) const {
        to << "| " << corner;
        for (const auto& [column, count] : columns_) {
            to << " | " << column;
        }
        to << " | all |\n|---";
        for (std::size_t i = 0; i <= columns_.size(); ++i) {
            to << "|---:";
        }
        to << "|\n";
        std::size_t total = 0;
        for (const auto& [row, cells] : cells_) {
            std::size_t sum = 0;
            to << "| " << row;
            for (const auto& [column, count] : columns_) {
                const auto found = cells.find(column);
                to << " | " << (found == cells.end() ? "" : std::to_string(found->second));
                sum += found == cells.end() ? 0 : found->second;
            }
            to << " | " << sum << " |\n";
            total += sum;
        }
        to << "| all";
        for (const auto& [column, count] : columns_) {
            to << " | " << count;
        }
        to << " | " << total << " |\n";
    }

private:
    std::map<std::string, std::map<std::string, std::size_t>> cells_;
    std::map<std::string, std::size_t> columns_;
};

struct Tally {
    Table by_scenario;
    Table by_call;
    std::map<std::string, std::size_t> endings;
    std::size_t tried = 0;
    std::size_t unreached = 0;
    std::size_t defects = 0;
};

void report(const Tally& tally, std::ostream& to) {
    to << tally.tried << " points tried, " << tally.defects << " defects, " << tally.unreached
       << " points not reached (another order of the processes' calls)\n\n";
    tally.by_scenario.print(to, "scenario");
    to << '\n';
    tally.by_call.print(to, "call");
    to << "\n| the disturbed run ended with | points |\n|---|---:|\n";
    for (const auto& [ending, count] : tally.endings) {
        to << "| " << ending << " | " << count << " |\n";
    }
}

void count(const Result& result, const std::vector<Scenario>& scenarios, const Options& options,
           Tally& tally) {
    const auto& [point, verdict] = result;
    const char* act = act_name(point.injection.act);
    if (!verdict.reached) {
        ++tally.unreached;
    } else {
        ++tally.tried;
        tally.by_scenario.add(scenarios[point.scenario].name, act);
        tally.by_call.add(verdict.at.name, act);
        ++tally.endings[verdict.remark];
    }
    if (!verdict.defect.empty()) {
        ++tally.defects;
        std::cout << "DEFECT " << describe(point, verdict.at, scenarios) << "\n  "
                  << how_to_repeat(point, scenarios) << '\n'
                  << verdict.defect << std::endl;
    } else if (options.verbose) {
        std::cout << "ok     " << describe(point, verdict.at, scenarios) << ": " << verdict.remark
                  << std::endl;
    }
}

int run(const Options& options) {
    auto scenarios = all_scenarios();
    std::erase_if(scenarios,
                  [&](const auto& each) { return each.name.find(options.only) == std::string::npos; });
    if (scenarios.empty()) {
        std::cerr << "no scenario has \"" << options.only << "\" in its name\n";
        return 2;
    }
    const auto census = take_census(scenarios, options.workers);
    if (options.list) {
        print_calls(scenarios, census);
        return 0;
    }
    std::vector<Point> points;
    for (std::size_t i = 0; i < scenarios.size(); ++i) {
        for (auto& point : points_of(i, census[i], has_init(scenarios[i]))) {
            if (is_wanted(point, options)) {
                points.push_back(std::move(point));
            }
        }
    }
    if (options.sample > 0) {
        std::vector<Point> drawn;
        std::ranges::sample(points, std::back_inserter(drawn), static_cast<std::ptrdiff_t>(options.sample),
                            std::mt19937(options.seed));
        std::ranges::shuffle(drawn, std::mt19937(options.seed));
        points = std::move(drawn);
    }
    if (points.empty() && !options.at.empty()) {
        std::cout << "CANNOT RUN HERE: no call of these scenarios is about \"" << options.at << "\"\n";
        return 0;
    }
    if (points.empty()) {
        std::cerr << "no such point\n";
        return 2;
    }
    Tally tally;
    try_all(scenarios, points, options.workers, std::chrono::seconds(options.seconds),
            [&](const Result& result) { count(result, scenarios, options, tally); });
    report(tally, std::cout);
    if (!options.report.empty()) {
        std::ofstream file(options.report);
        report(tally, file);
    }
    return tally.defects == 0 && tally.tried > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = read_options(argc, argv);
    if (::geteuid() != 0) {
        std::cerr << "partd_fault needs root: it makes namespaces of its own\n";
        return 5;
    }
    // of a sanitized build: who is traced cannot trace itself, which the search for leaks does
    partd::test::search_no_leaks();
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
