#include "base/log.h"
#include "base/values.h"
#include "ctl/options.h"
#include "kernel/enter.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <new>
#include <string_view>

#include <CLI/CLI.hpp>

namespace partd::ctl {

namespace {

using Run = std::function<int(const Options&)>;

// The verbs on the command line; each sets what is to be run.
class CommandLine {
public:
    CommandLine(CLI::App& app, Options& options) : app_(app), options_(options) {
        add_global();
        add_reading();
        add_applying();
        add_managing();
        add_entering();
    }

    [[nodiscard]] int run() const { return run_(options_); }
    [[nodiscard]] bool takes_program() const { return takes_program_; }
    [[nodiscard]] const std::string& color() const { return color_; }

private:
    void add_global() {
        app_.add_option("--root", options_.root, "Work below this directory instead of / (for tests)")
            ->check(CLI::ExistingDirectory);
        app_.add_flag("--json", options_.request.json, "Print JSON");
        app_.add_flag("-v,--verbose", options_.verbose, "Tell what is being done, on stderr");
        app_.add_flag("--no-daemon", options_.own_process, "Work in this process even where partd runs");
        app_.add_flag("!--no-legend", options_.request.legend, "Print no heading and no summary");
        app_.add_option("--color", color_, "Color: auto, always or never")
            ->check(CLI::IsMember({"auto", "always", "never"}));
        app_.set_version_flag("--version", PARTD_VERSION);
        app_.fallthrough();
        app_.require_subcommand(1);
    }

    CLI::App* add(const char* name, const char* description, Run run, bool program = false) {
        CLI::App* sub = app_.add_subcommand(name, description);
        sub->callback([this, run = std::move(run), program] {
            run_ = run;
            takes_program_ = program;
        });
        return sub;
    }
    // One that the daemon knows, too.
    CLI::App* add(const char* name, const char* description) {
        return add(name, description,
                   [name](const Options& options) { return run_verb(options, verbs::verb(name)); });
    }
    CLI::Option* add_name(CLI::App* verb, const char* what) {
        return verb->add_option("name", options_.request.name, what);
    }
    // "60s", as the configuration writes it.
    void add_duration(CLI::App* verb, const char* name, std::optional<std::chrono::milliseconds>& into,
                      const char* description) {
        verb->add_option_function<std::string>(
            name,
            [&into](const std::string& text) {
                into = parse_duration(text);
                if (!into || into->count() <= 0) {
                    throw CLI::ValidationError(text + " is no duration such as \"60s\" or \"2min\"");
                }
            },
            description);
    }

    void add_reading() {
        add("check", "Check the configuration, or just these files; needs no rights")
            ->add_option("file", options_.files, "Files; - for standard input");
        CLI::App* diff = add("diff", "Show what apply would do");
        add_name(diff, "Only this partition or slice");
        diff->add_option("--generation", options_.request.generation,
                         "What it would take to go back to that one");
        CLI::App* status = add("status", "One line a partition, or all about one");
        add_name(status, "A partition");
        status->add_flag("--check", options_.request.check, "Exit 1 when something is not as declared");
        status->add_flag("--watch", options_.watch, "Again whenever something changes");
        status->add_flag("--layers", options_.request.layers, "What partitions wrote over their roots");
        add("list", "What the files declare; needs no rights");
        add_name(add("show", "Every attribute of a partition or slice, as wanted and as found"),
                 "A partition or slice")
            ->required();
        add("ns", "Namespaces, as lsns(8), with their partitions");
        add("history", "The documents that were applied");
        add("metrics", "Figures, as Prometheus reads them");
        add("doctor", "What on this host gets in the way of partitions, and the mend");
        add("events", "What partd does, as it does it", run_events);
        add("schema", "Print the JSON Schema of the configuration", run_schema)
            ->add_flag("--man", options_.manual, "Print the manual page partd.toml(5) instead");
    }

    void add_applying() {
        CLI::App* apply = add("apply", "Make the host as declared");
        add_name(apply, "Only this partition or slice");
        apply->add_option("-f,--file", options_.extra,
                          "A file besides those of the configuration directories; - for standard input");
        apply->add_flag("--keep-going", options_.request.keep_going,
                        "Apply the valid files although others are not");
        apply->add_flag("--allow-delete", options_.request.allow_delete,
                        "Remove however many partitions are not declared any more");
        add_duration(apply, "--confirm", options_.request.confirm,
                     "Go back after this time, unless partctl confirm comes first");
        add_duration(apply, "--wait", options_.wait, "Wait so long until everything is as declared");
        add("confirm", "Keep what apply --confirm did");
        CLI::App* rollback = add("rollback", "Go back to the generation before, or to that one");
        rollback->add_option("generation", options_.request.generation, "See partctl history");
        rollback->add_flag("--allow-delete", options_.request.allow_delete,
                           "Remove however many partitions that one does not declare");
        CLI::App* wait = add("wait", "Wait until a partition is as declared", run_wait);
        add_name(wait, "A partition; all without one");
        add_duration(wait, "--timeout", options_.wait, "At most so long; 90s");
        add_duration(wait, "--give-up", options_.give_up,
                     "Only so long while nobody could bring it: no partd runs, or no valid file declares it");
    }

    void add_managing() {
        CLI::App* pause = add("pause", "Leave a partition, or the files, to be worked on by hand");
        add_name(pause, "A partition or slice");
        pause->add_flag("--files", options_.request.hold,
                        "Take up no file that changes, until resume or apply");
        CLI::App* resume = add("resume", "Show what differs in a paused partition, and have it put back");
        add_name(resume, "A partition or slice");
        resume->add_flag("--files", options_.request.hold, "Take up all files at once");
        resume->add_flag("--check", options_.request.check, "Only show");
        CLI::App* kill = add("kill", "Send a signal to the processes of a partition");
        add_name(kill, "A partition")->required();
        kill->add_option("signal", options_.request.signal, "Its name or number; TERM");
        add_name(add("freeze", "Stop all processes of a partition where they are"), "A partition")
            ->required();
        add_name(add("thaw", "Let them go on"), "A partition")->required();
        CLI::App* purge = add("purge", "Delete the layer that a partition left behind", run_purge);
        add_name(purge, "The partition's name")->required();
        purge->add_flag("--yes", options_.request.yes, "Do not ask");
        purge->add_flag("--check", options_.request.check, "Only show")->excludes("--yes");
    }

    void add_entering() {
        CLI::App* exec =
            add("exec", "Run a program in a partition: exec NAME -- PROGRAM ARGUMENTS", run_exec, true);
        add_name(exec, "A partition")->required();
        exec->add_option("--environment", options_.environment,
                         "A file with variables for it, NAME=\"VALUE\" a line each");
        add_name(add("shell", "A login shell in a partition, on a terminal of its own", run_shell),
                 "A partition")
            ->required();
    }

    CLI::App& app_;
    Options& options_;
    Run run_;
    bool takes_program_ = false;
    std::string color_ = "auto";
};

bool wants_color(const std::string& choice) {
    const char* no_color = std::getenv("NO_COLOR");
    const bool refused = no_color != nullptr && *no_color != '\0';
    return choice == "always" || (choice != "never" && !refused && isatty(STDOUT_FILENO) != 0);
}

// What follows the first "--" is another program's command line: nothing for our parser.
std::vector<std::string> take_command(int& count, char** arguments) {
    char** end = arguments + count;
    char** dashes =
        std::find_if(arguments, end, [](const char* argument) { return std::string_view(argument) == "--"; });
    std::vector<std::string> command;
    if (dashes != end) {
        command.assign(dashes + 1, end);
        count = static_cast<int>(dashes - arguments);
    }
    return command;
}

int run(int count, char** arguments) {
    Options options;
    options.arguments = arguments;
    options.command = take_command(count, arguments);
    CLI::App app{"partd: declarative host partitioning", "partctl"};
    CommandLine line(app, options);
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kDone : kUsage;
    }
    if (line.takes_program() == options.command.empty()) {
        std::fputs(line.takes_program() ? "partctl: exec needs a program: partctl exec NAME -- PROGRAM\n"
                                        : "partctl: only exec takes a program after --\n",
                   stderr);
        return kUsage;
    }
    // What partd makes is for all to read, whoever starts it.
    options.umask = kernel::set_file_mode_mask(022);
    start_log("partctl", options.verbose);
    options.at_terminal = isatty(STDIN_FILENO) != 0;
    options.request.color = wants_color(line.color());
    return line.run();
}

}  // namespace

}  // namespace partd::ctl

int main(int count, char** arguments) {
    try {
        return partd::ctl::run(count, arguments);
    } catch (const std::bad_alloc&) {
        std::fputs("partctl: there is no memory left; what is done stays: free some and run it again\n",
                   stderr);
        return partd::ctl::kSomeFailed;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "partctl: %s\n", error.what());
        return partd::ctl::kSomeFailed;
    }
}
