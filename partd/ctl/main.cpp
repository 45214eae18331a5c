#include "base/log.h"
#include "ctl/options.h"
#include "kernel/enter.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

namespace partd::ctl {

namespace {

using Verb = int (*)(const Options&);

void add_global(CLI::App& app, Options& options, std::string& color) {
    app.add_option("--root", options.root, "Work below this directory instead of / (for tests)")
        ->check(CLI::ExistingDirectory);
    app.add_flag("--json", options.json, "Print JSON");
    app.add_flag("-v,--verbose", options.verbose, "Tell what is being done, on stderr");
    app.add_flag("!--no-legend", options.legend, "Print no heading and no summary");
    app.add_option("--color", color, "Color: auto, always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}));
    app.set_version_flag("--version", PARTD_VERSION);
    app.fallthrough();
    app.require_subcommand(1);
}

CLI::App* add_verb(CLI::App& app, const char* name, const char* description, Verb verb, Verb& chosen) {
    CLI::App* sub = app.add_subcommand(name, description);
    sub->callback([verb, &chosen] { chosen = verb; });
    return sub;
}

void add_verbs(CLI::App& app, Options& options, Verb& chosen) {
    const auto add = [&](const char* name, const char* description, Verb verb) {
        return add_verb(app, name, description, verb, chosen);
    };
    add("check", "Check the configuration, or just these files; needs no rights", run_check)
        ->add_option("file", options.files, "Files; - for standard input");
    add("diff", "Show what apply would do", run_diff)
        ->add_option("name", options.name, "Only this partition or slice");
    CLI::App* apply = add("apply", "Make the host as declared", run_apply);
    apply->add_option("name", options.name, "Only this partition or slice");
    apply->add_option("-f,--file", options.extra,
                      "A file besides those of the configuration directories; - for standard input");
    apply->add_flag("--keep-going", options.keep_going, "Apply the valid files although others are not");
    apply->add_flag("--allow-delete", options.allow_delete,
                    "Remove however many partitions are not declared any more");
    CLI::App* status = add("status", "One line a partition, or all about one", run_status);
    status->add_option("name", options.name, "A partition");
    status->add_flag("--check", options.check, "Exit 1 when something is not as declared");
    add("list", "What the files declare; needs no rights", run_list);
    add("show", "Every attribute of a partition or slice, as wanted and as found", run_show)
        ->add_option("name", options.name, "A partition or slice")
        ->required();
    add("ns", "Namespaces, as lsns(8), with their partitions", run_ns);
    add("exec", "Run a program in a partition: exec NAME -- PROGRAM ARGUMENTS", run_exec)
        ->add_option("name", options.name, "A partition")
        ->required();
    add("shell", "A login shell in a partition, on a terminal of its own", run_shell)
        ->add_option("name", options.name, "A partition")
        ->required();
    CLI::App* kill = add("kill", "Send a signal to the processes of a partition", run_kill);
    kill->add_option("name", options.name, "A partition")->required();
    kill->add_option("signal", options.signal, "Its name or number; TERM");
    add("freeze", "Stop all processes of a partition where they are", run_freeze)
        ->add_option("name", options.name, "A partition")
        ->required();
    add("thaw", "Let them go on", run_thaw)->add_option("name", options.name, "A partition")->required();
    add("doctor", "What on this host gets in the way of partitions, and the mend", run_doctor);
    add("schema", "Print the JSON Schema of the configuration", run_schema)
        ->add_flag("--man", options.manual, "Print the manual page partd.toml(5) instead");
}

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
    std::string color = "auto";
    Verb chosen = nullptr;
    CLI::App app{"partd: declarative host partitioning", "partctl"};
    add_global(app, options, color);
    add_verbs(app, options, chosen);
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kDone : kUsage;
    }
    if ((chosen == run_exec) == options.command.empty()) {
        std::fputs(chosen == run_exec ? "partctl: exec needs a program: partctl exec NAME -- PROGRAM\n"
                                      : "partctl: only exec takes a program after --\n",
                   stderr);
        return kUsage;
    }
    // What partd makes is for all to read, whoever starts it.
    options.umask = kernel::set_file_mode_mask(022);
    start_log("partctl", options.verbose);
    options.color = wants_color(color);
    return chosen(options);
}

}  // namespace

}  // namespace partd::ctl

int main(int count, char** arguments) {
    try {
        return partd::ctl::run(count, arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "partctl: %s\n", error.what());
        return partd::ctl::kSomeFailed;
    }
}
