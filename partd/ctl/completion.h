// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace partd::ctl {

// One option of the command line: "--file", and "-f" where it has a short name.
struct OptionWords {
    std::string name;
    std::string short_name;
    std::string description;
    bool takes_value = false;
};

// One verb, its options, and what its positional arguments are called ("name", "file", "generation").
struct VerbWords {
    std::string name;
    std::string description;
    std::vector<OptionWords> options;
    std::vector<std::string> arguments;
};

// The whole command line.
struct CommandWords {
    std::vector<OptionWords> options;  // that stand before a verb or after it
    std::vector<VerbWords> verbs;
};

// Completion scripts. The one of bash is the part with the words; packaging/completion/partctl.bash has the
// functions. zsh's and fish's are whole.
std::string bash_completion(const CommandWords& words);
std::string zsh_completion(const CommandWords& words);
std::string fish_completion(const CommandWords& words);

}  // namespace partd::ctl
