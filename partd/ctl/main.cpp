// SPDX-License-Identifier: Apache-2.0
#include "base/hint.h"
#include "base/log.h"
#include "base/text.h"
#include "base/values.h"
#include "ctl/completion.h"
#include "ctl/examples.h"
#include "ctl/options.h"
#include "kernel/session/enter.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace partd::ctl {

namespace {

using Run = std::function<int(const Options&)>;

// Other programs' words for our verbs, which no typing mistake leads to.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kCalledElsewhere = {
    {{"ls", "list"},
     {"ps", "status"},
     {"down", "stop"},
     {"up", "apply"},
     {"enter", "shell"},
     {"run", "exec"},
     {"plan", "diff"},
     {"validate", "check"}}};

// The verbs on the command line; each sets what is to be run.
class CommandLine {
public:
    CommandLine(CLI::App& app, Options& options) : app_(app), options_(options) {
        add_global();
        add_reading();
        add_applying();
        add_managing();
        add_entering();
        add_explaining();
    }

    [[nodiscard]] int run() const { return run_(options_); }
    [[nodiscard]] bool takes_program() const { return exec_->parsed(); }
    [[nodiscard]] const std::string& color() const { return color_; }

    // Where another program's command line begins: at "--", or at the word after exec's NAME. The count of
    // words when nowhere.
    [[nodiscard]] std::size_t program_at(std::span<char* const> words) const {
        const CLI::App* verb = &app_;
        std::size_t names = 0;
        for (std::size_t i = 1; i < words.size(); ++i) {
            const std::string word = words[i];
            if (word == "--") {
                return i;
            }
            if (word.size() > 1 && word.front() == '-') {
                i += takes_value(*verb, word) ? 1 : 0;
            } else if (verb == &app_) {
                verb = find_verb(word);
                if (verb == nullptr) {
                    break;
                }
            } else if (verb == exec_ && names++ == 1) {
                return i;
            }
        }
        return words.size();
    }

    // A sentence for a command line that is wrong, with where more is said. The parser's own knows no verb
    // that is near.
    [[nodiscard]] std::string usage_error(const CLI::ParseError& error) const {
        const auto extra = app_.remaining(true);
        const auto verbs = app_.get_subcommands();
        const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
        const bool stray = code == CLI::ExitCodes::ExtrasError;
        if (verbs.empty() && (stray || code == CLI::ExitCodes::RequiredError)) {
            return extra.empty()                  ? "a verb is missing: partctl help lists them"
                   : extra.front().front() == '-' ? unknown_option(app_, extra.front())
                                                  : unknown_verb(extra.front());
        }
        if (verbs.empty()) {
            return error.what();
        }
        const std::string name = verbs.front()->get_name();
        if (stray && !extra.empty()) {
            return extra.front().starts_with('-') ? unknown_option(*verbs.front(), extra.front())
                                                  : fmt::format("{0} does not take \"{1}\": partctl help {0}",
                                                                name, printable(extra.front()));
        }
        // The parser's own words: "Could not convert: generation = x".
        const std::string_view words = error.what();
        return code == CLI::ExitCodes::ConversionError
                   ? fmt::format("{0}: \"{1}\" is not a number: partctl help {0}", name,
                                 printable(words.substr(words.rfind(' ') + 1)))
                   : fmt::format("{0}: {1}: partctl help {0}", name, printable(words));
    }

private:
    static std::vector<OptionWords> option_words(const CLI::App& app) {
        std::vector<OptionWords> all;
        for (const CLI::Option* option : app.get_options()) {
            if (!option->get_lnames().empty()) {
                const auto& short_names = option->get_snames();
                all.push_back({"--" + option->get_lnames().front(),
                               short_names.empty() ? "" : "-" + short_names.front(),
                               option->get_description(), option->get_items_expected_min() > 0});
            }
        }
        return all;
    }

    int print_completion() const {
        CommandWords words{.options = option_words(app_), .verbs = {}};
        for (const CLI::App* verb : app_.get_subcommands(nullptr)) {
            if (verb->get_group().empty()) {
                continue;
            }
            VerbWords one{.name = verb->get_name(),
                          .description = verb->get_description(),
                          .options = {},
                          .arguments = {}};
            for (const OptionWords& option : option_words(*verb)) {
                if (option.name != "--help") {
                    one.options.push_back(option);
                }
            }
            for (const CLI::Option* option : verb->get_options()) {
                if (option->get_positional()) {
                    one.arguments.push_back(option->get_name(true));
                }
            }
            words.verbs.push_back(std::move(one));
        }
        const auto script = shell_ == "bash"  ? bash_completion(words)
                            : shell_ == "zsh" ? zsh_completion(words)
                                              : fish_completion(words);
        std::fputs(script.c_str(), stdout);
        return kDone;
    }

    // nullptr when there is none of that name.
    [[nodiscard]] const CLI::App* find_verb(const std::string& name) const {
        const auto all = app_.get_subcommands(nullptr);
        const auto found = std::ranges::find(all, name, &CLI::App::get_name);
        return found == all.end() ? nullptr : *found;
    }
    [[nodiscard]] bool takes_value(const CLI::App& verb, const std::string& option) const {
        const CLI::Option* found = verb.get_option_no_throw(option);
        found = found == nullptr ? app_.get_option_no_throw(option) : found;
        return found != nullptr && found->get_items_expected_min() > 0;
    }

    [[nodiscard]] std::string unknown_verb(const std::string& word) const {
        const auto all = app_.get_subcommands(nullptr);
        std::vector<std::string> names;
        std::ranges::transform(all, std::back_inserter(names), &CLI::App::get_name);
        const auto* other =
            std::ranges::find(kCalledElsewhere, word, &std::pair<std::string_view, std::string_view>::first);
        const std::vector<std::string_view> known(names.begin(), names.end());
        return fmt::format("there is no verb \"{}\"{}", printable(word),
                           other != kCalledElsewhere.end()
                               ? fmt::format("; did you mean \"{}\"?", other->second)
                               : did_you_mean(word, known, ": partctl help lists them"));
    }

    [[nodiscard]] std::string unknown_option(const CLI::App& verb, const std::string& word) const {
        std::vector<std::string> names;
        for (const CLI::App* each : {&verb, static_cast<const CLI::App*>(&app_)}) {
            for (const CLI::Option* option : each->get_options()) {
                std::ranges::transform(option->get_lnames(), std::back_inserter(names),
                                       [](const std::string& name) { return "--" + name; });
            }
        }
        const std::vector<std::string_view> known(names.begin(), names.end());
        const std::string option = word.substr(0, word.find('='));
        return fmt::format("there is no option \"{}\"{}", printable(option),
                           did_you_mean(option, known,
                                        fmt::format(": partctl help{}{}", &verb == &app_ ? "" : " ",
                                                    &verb == &app_ ? "" : verb.get_name())));
    }

    void add_global() {
        app_.add_option("--root", options_.root, "Use this directory in place of / (for tests)")
            ->check(CLI::ExistingDirectory);
        app_.add_flag("--json", options_.request.json, "Print JSON");
        app_.add_flag("-v,--verbose", options_.verbose, "Log each step to stderr");
        app_.add_flag("--no-daemon", options_.own_process, "Work in this process even if partd runs");
        app_.add_flag_callback(
            "--no-legend", [this] { options_.request.legend = false; }, "Print neither heading nor summary");
        app_.add_option("--color", color_, "Color: auto, always or never")
            ->check(CLI::IsMember({"auto", "always", "never"}));
        app_.set_version_flag("--version", PARTD_VERSION);
        app_.footer(
            "partctl check, diff and apply are where to begin: partctl help VERB has examples.\n"
            "Manuals: partctl(8), partd.toml(5), partd(8)");
        app_.fallthrough();
        app_.require_subcommand(1);
    }

    CLI::App* add(const char* name, const char* description, Run run) {
        CLI::App* sub = app_.add_subcommand(name, description);
        sub->footer(examples_of(name));
        sub->callback([this, run = std::move(run)] { run_ = run; });
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
    void add_file(CLI::App* verb) {
        verb->add_option("-f,--file", options_.extra,
                         "A file besides those of the configuration directories; - for standard input");
    }
    // "60s", as the configuration writes it.
    template <class Duration>
    void add_duration(CLI::App* verb, const char* name, Duration& into, const char* description) {
        verb->add_option_function<std::string>(
            name,
            [&into](const std::string& text) {
                const auto duration = parse_duration(text);
                if (!duration || duration->count() <= 0) {
                    throw CLI::ValidationError(text + " is not a duration such as \"60s\" or \"2min\"");
                }
                into = *duration;
            },
            description);
    }

    void add_reading() {
        CLI::App* check = add("check", "Check the configuration, or only these files; needs no privileges");
        check->add_option("file", options_.files, "Files; - for standard input");
        check->add_flag("--with", options_.request.with,
                        "Check the files as if they were among those of the configuration directories");
        CLI::App* diff = add("diff", "Show what apply would do");
        add_name(diff, "Only this partition or slice");
        add_file(diff);
        diff->add_option("--generation", options_.request.generation,
                         "Show what a rollback to that generation would change")
            ->excludes("--file");
        CLI::App* status = add("status", "Show a line for each partition, or all about one");
        add_name(status, "A partition");
        status->add_flag("--check", options_.request.check, "Exit with 1 if something is not as declared");
        status->add_flag("--watch", options_.watch, "Print again whenever something changes");
        status->add_flag("--layers", options_.request.layers,
                         "List the layers that partitions wrote over their roots");
        status->add_flag("--full", options_.request.full,
                         "Print all columns: every address, and the time since when it exists");
        add("list", "List what the files declare; needs no privileges");
        add_name(add("show", "Show every attribute of a partition or slice, as declared and as found"),
                 "A partition or slice")
            ->required();
        add_name(add("ns", "List namespaces with their partitions, like lsns(8)"), "A partition");
        CLI::App* tree = add("tree", "Show slices, partitions, their namespaces and processes as a tree");
        add_name(tree, "A partition or slice");
        tree->add_flag("--full", options_.request.full, "Do not cut command lines");
        CLI::App* top = add("top", "Show what partitions use: CPU, memory, I/O and network", run_top);
        add_name(top, "Only this partition or slice");
        top->add_option("--sort", options_.sort, "Order: name, cpu, memory, processes, io or net")
            ->check(CLI::IsMember({"name", "cpu", "memory", "processes", "io", "net"}));
        top->add_option("-n,--iterations", options_.readings, "Print that many times, then end")
            ->check(CLI::PositiveNumber);
        add_duration(top, "-d,--delay", options_.delay, "Measure over TIME; default 1s");
        add("history", "List the generations that were applied");
        add("metrics", "Print metrics in the format of Prometheus");
        add("doctor", "Check this host for problems and suggest fixes");
        add("events", "Print what partd does, while it does it", run_events);
        CLI::App* schema = add("schema", "Print the JSON Schema of the configuration", run_schema);
        CLI::Option* manual =
            schema->add_flag("--man", options_.manual, "Print the manual page partd.toml(5) instead");
        schema->add_option("example", options_.files, "Files that the page takes its examples from")
            ->needs(manual);
    }

    void add_applying() {
        CLI::App* apply = add("apply", "Change the host to what is declared", [](const Options& options) {
            return run_verb(options, verbs::verb(options.dry_run ? "diff" : "apply"));
        });
        add_name(apply, "Only this partition or slice");
        add_file(apply);
        apply->add_flag("--keep-going", options_.request.keep_going,
                        "Apply the valid files although others are invalid");
        apply->add_flag("--allow-delete", options_.request.allow_delete,
                        "Allow more removals than the delete limit");
        CLI::Option* dry =
            apply->add_flag("--dry-run", options_.dry_run, "Only show what would be done, as diff does");
        add_duration(apply, "--confirm", options_.request.confirm,
                     "Roll back after TIME unless partctl confirm comes first");
        add_duration(apply, "--wait", options_.wait, "Wait up to TIME for everything to be as declared");
        dry->excludes("--confirm")->excludes("--wait");
        add("confirm", "Keep what apply --confirm changed");
        CLI::App* rollback = add("rollback", "Roll back to the previous generation, or to GENERATION");
        rollback->add_option("generation", options_.request.generation, "See partctl history");
        rollback->add_flag("--allow-delete", options_.request.allow_delete,
                           "Allow more removals than the delete limit");
        CLI::App* wait = add("wait", "Wait until a partition is as declared", run_wait);
        add_name(wait, "A partition; all without one");
        add_duration(wait, "--timeout", options_.wait, "Wait at most TIME; default 90s");
        add_duration(wait, "--give-up", options_.give_up,
                     "Wait at most TIME while no partd runs or no valid file declares it");
    }

    void add_managing() {
        CLI::App* pause = add("pause", "Leave a partition, or the files, for work by hand");
        add_name(pause, "A partition or slice");
        pause->add_flag("--files", options_.request.hold, "Ignore changes of files until resume or apply");
        CLI::App* resume = add("resume", "Show what differs in a paused partition, and repair it");
        add_name(resume, "A partition or slice");
        resume->add_flag("--files", options_.request.hold, "Read all files again");
        resume->add_flag("--check", options_.request.check, "Only show what would be done");
        CLI::App* kill = add("kill", "Send a signal to the processes of a partition");
        add_name(kill, "A partition")->required();
        kill->add_option("signal", options_.request.signal, "Name or number of the signal; default TERM");
        add_name(add("freeze", "Suspend all processes of a partition"), "A partition")->required();
        add_name(add("thaw", "Resume the processes of a frozen partition"), "A partition")->required();
        add_name(add("start", "Start a partition that was stopped"), "A partition")->required();
        add_name(add("stop", "End all of a partition but its layer, until it is started"), "A partition")
            ->required();
        add_name(add("restart", "Stop a partition, and start it again", run_restart), "A partition")
            ->required();
        CLI::App* purge = add("purge", "Delete the layer that a partition left behind", run_purge);
        add_name(purge, "The partition's name")->required();
        purge->add_flag("--yes", options_.request.yes, "Do not ask");
        purge->add_flag("--check", options_.request.check, "Only show what would be done")->excludes("--yes");
    }

    void add_entering() {
        exec_ = add("exec", "Run a program in a partition: exec NAME PROGRAM ARGUMENTS", run_exec);
        add_name(exec_, "A partition")->required();
        exec_->add_option("--environment", options_.environment,
                          "A file with variables for it, NAME=\"VALUE\" a line each");
        exec_->add_option("--user", options_.user, "The user inside who runs it: NAME, UID, NAME:GROUP");
        CLI::App* shell =
            add("shell", "Open a login shell in a partition, on a terminal of its own", run_shell);
        add_name(shell, "A partition")->required();
        shell->add_option("--user", options_.user, "The user inside whose shell it is");
    }

    void add_explaining() {
        add("help", "Show the options of partctl or of a verb", [this](const Options&) {
            return help();
        })->add_option("verb", verb_, "A verb");
        add("completion", "Print a completion script", [this](const Options&) { return print_completion(); })
            ->group("")  // for the build
            ->add_option("shell", shell_, "bash, zsh or fish")
            ->required()
            ->check(CLI::IsMember({"bash", "zsh", "fish"}));
        add("version", "Print the version", [](const Options&) {
            fmt::print("{}\n", PARTD_VERSION);
            return kDone;
        });
    }
    [[nodiscard]] int help() const {
        const CLI::App* verb = verb_.empty() ? &app_ : find_verb(verb_);
        if (verb == nullptr) {
            return stop(options_.request, Reason::Usage, unknown_verb(verb_));
        }
        const std::string name = verb == &app_ ? "partctl" : "partctl " + verb_;
        fmt::print("{}", app_.get_formatter()->make_help(verb, name, CLI::AppFormatMode::Normal));
        return kDone;
    }

    CLI::App& app_;
    Options& options_;
    Run run_;
    CLI::App* exec_ = nullptr;
    std::string verb_;   // help
    std::string shell_;  // completion
    std::string color_ = "auto";
};

bool wants_color(const std::string& choice) {
    const char* no_color = std::getenv("NO_COLOR");
    const bool refused = no_color != nullptr && *no_color != '\0';
    return choice == "always" || (choice != "never" && !refused && isatty(STDOUT_FILENO) != 0);
}

// Takes the words of another program's command line off those for our parser.
std::vector<std::string> take_command(const CommandLine& line, int& count, char** arguments) {
    const std::span<char* const> words(arguments, static_cast<std::size_t>(count));
    const std::size_t at = line.program_at(words);
    count = static_cast<int>(at);
    const bool dashes = at < words.size() && std::string_view(words[at]) == "--";
    const auto command = words.subspan(at + (dashes ? 1 : 0));
    return {command.begin(), command.end()};
}

// A request that says no more than the form of the answer: JSON where the word is on the command line. A line
// that is wrong is not read to its end.
Request in_form(std::span<char* const> words) {
    Request request;
    request.json = std::ranges::find(words, std::string_view("--json")) != words.end();
    return request;
}

int run(int count, char** arguments) {
    Options options;
    options.arguments = arguments;
    CLI::App app{"partd: declarative host partitioning", "partctl"};
    CommandLine line(app, options);
    options.command = take_command(line, count, arguments);
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help, --version
            return app.exit(error);
        }
        return stop(in_form(std::span(arguments, static_cast<std::size_t>(count))), Reason::Usage,
                    line.usage_error(error));
    }
    if (line.takes_program() == options.command.empty()) {
        return stop(options.request, Reason::Usage,
                    line.takes_program() ? "exec needs a program: partctl exec NAME PROGRAM"
                                         : "only exec takes a program after --");
    }
    // Files that partd makes are readable by all, whoever starts it.
    options.umask = kernel::set_file_mode_mask(022);
    start_log("partctl", options.verbose);
    options.at_terminal = isatty(STDIN_FILENO) != 0;
    options.request.color = wants_color(line.color());
    return line.run();
}

}  // namespace

}  // namespace partd::ctl

namespace {

// By what was allocated already, if memory is what is short.
int end_badly(std::span<char* const> words, const char* why) {
    using namespace partd::ctl;
    try {
        return stop(in_form(words), Reason::Failed, std::string(why));
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "partctl: %s\n", why);
        return kSomeFailed;
    }
}

}  // namespace

int main(int count, char** arguments) {
    try {
        return partd::ctl::run(count, arguments);
    } catch (const std::bad_alloc&) {
        return end_badly({arguments, static_cast<std::size_t>(count)},
                         "there is no memory left; what is done stays: free some and run it again");
    } catch (const std::exception& error) {
        return end_badly({arguments, static_cast<std::size_t>(count)}, error.what());
    }
}
