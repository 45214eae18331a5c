// SPDX-License-Identifier: Apache-2.0
#include "ctl/completion.h"

#include "base/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

// A word in single quotes, for the shells alike.
std::string quoted(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        safe += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return "'" + safe + "'";
}

// zsh's _arguments and _describe read these characters as their own.
std::string for_zsh(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        safe += (c == ':' || c == '[' || c == ']' ? "\\" : "") + std::string(1, c);
    }
    return safe;
}

std::string option_names(const std::vector<OptionWords>& options) {
    std::vector<std::string> names;
    std::ranges::transform(options, std::back_inserter(names), &OptionWords::name);
    return join(names, " ");
}

bool takes(const VerbWords& verb, std::string_view argument) {
    return std::ranges::find(verb.arguments, argument) != verb.arguments.end();
}

std::string zsh_option(const OptionWords& option) {
    const std::string value = !option.takes_value        ? ""
                              : option.name == "--root"  ? ":directory:_files -/"
                              : option.name == "--color" ? ":when:(auto always never)"
                              : option.name == "--sort"  ? ":order:(name cpu memory processes io net)"
                              : option.name == "--file" || option.name == "--environment" ? ":file:_files"
                                                                                          : ":value:";
    std::string text;
    for (const std::string& name : {option.short_name, option.name}) {
        if (!name.empty()) {
            text += " " + quoted(fmt::format("{}[{}]{}", name, for_zsh(option.description), value));
        }
    }
    return text;
}

std::string zsh_arguments(const VerbWords& verb) {
    return verb.name == "exec"      ? " ':name:_partctl_names' '*::program:_normal'"
           : takes(verb, "name")    ? " ':name:_partctl_names'"
           : takes(verb, "file")    ? " '*:file:_files'"
           : takes(verb, "verb")    ? " ':verb:_partctl_verbs'"
           : verb.arguments.empty() ? ""
                                    : fmt::format(" ':{}:'", verb.arguments.front());
}

// A line of fish for one option, under that condition.
std::string fish_option(const OptionWords& option, const std::string& condition) {
    const bool file = option.name == "--file" || option.name == "--environment" || option.name == "--root";
    return fmt::format("complete -c partctl{} -l {}{}{} -d {}\n", condition, option.name.substr(2),
                       option.short_name.empty() ? "" : " -s " + option.short_name.substr(1),
                       !option.takes_value ? ""
                       : file              ? " -r -F"
                                           : " -x",
                       quoted(option.description));
}

}  // namespace

std::string bash_completion(const CommandWords& words) {
    std::vector<std::string> verbs;
    std::ranges::transform(words.verbs, std::back_inserter(verbs), &VerbWords::name);
    std::string text = fmt::format("_partctl_options={}\n_partctl_verbs={}\n\n",
                                   quoted(option_names(words.options)), quoted(join(verbs, " ")));
    text += "# Prints the options of a verb.\n_partctl_options_of() {\n    case $1 in\n";
    for (const VerbWords& verb : words.verbs) {
        if (!verb.options.empty()) {
            text += fmt::format("        {}) echo {} ;;\n", verb.name, quoted(option_names(verb.options)));
        }
    }
    return text + "    esac\n}\n\n";
}

std::string zsh_completion(const CommandWords& words) {
    std::string verbs;
    std::string cases;
    for (const VerbWords& verb : words.verbs) {
        verbs += fmt::format("        {}\n", quoted(verb.name + ":" + for_zsh(verb.description)));
        std::string options;
        for (const OptionWords& option : verb.options) {
            options += zsh_option(option);
        }
        cases +=
            fmt::format("        {}) _arguments $options{}{} ;;\n", verb.name, options, zsh_arguments(verb));
    }
    std::string global;
    for (const OptionWords& option : words.options) {
        global += "        " + zsh_option(option) + "\n";
    }
    return "#compdef partctl\n"
           "# Completion of partctl(8) for zsh, made from its command line.\n\n"
           "_partctl_verbs() {\n    local -a verbs=(\n" +
           verbs +
           "    )\n    _describe verb verbs\n}\n\n"
           "_partctl_names() {\n"
           "    local -a names=(${${(f)\"$(_call_program names partctl list --no-legend 2>/dev/null)\"}%% "
           "*})\n"
           "    _describe name names\n}\n\n"
           "_partctl() {\n    local -a options=(\n" +
           global +
           "    )\n    local context state line\n"
           "    _arguments -C $options ':verb:_partctl_verbs' '*::argument:->arguments' && return\n"
           "    case $words[1] in\n" +
           cases + "    esac\n}\n\n_partctl \"$@\"\n";
}

std::string fish_completion(const CommandWords& words) {
    std::string text =
        "# Completion of partctl(8) for fish, made from its command line.\n"
        "function __partctl_names\n"
        "    partctl list --no-legend 2>/dev/null | string replace -r ' .*' ''\n"
        "end\n"
        "complete -c partctl -f\n";
    for (const OptionWords& option : words.options) {
        text += fish_option(option, "");
    }
    for (const VerbWords& verb : words.verbs) {
        text += fmt::format("complete -c partctl -n __fish_use_subcommand -a {} -d {}\n", verb.name,
                            quoted(verb.description));
        const std::string condition = fmt::format(" -n '__fish_seen_subcommand_from {}'", verb.name);
        for (const OptionWords& option : verb.options) {
            text += fish_option(option, condition);
        }
        if (takes(verb, "name")) {
            text += fmt::format("complete -c partctl{} -a '(__partctl_names)'\n", condition);
        } else if (takes(verb, "file")) {
            text += fmt::format("complete -c partctl{} -F\n", condition);
        }
    }
    return text;
}

}  // namespace partd::ctl
