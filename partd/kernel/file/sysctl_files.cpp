// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/sysctl_files.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <algorithm>
#include <map>
#include <vector>

namespace partd::kernel {

namespace {

// A file of the same name in an earlier directory stands for it; all are read in the order of their names,
// whatever directory they are in.
std::vector<std::string> files_in_order(const std::string& root) {
    std::map<std::string, std::string> by_name;
    for (const char* directory : {"/etc", "/run", "/usr/local/lib", "/usr/lib"}) {
        const std::string place = root + directory + "/sysctl.d";
        for (const std::string& name : list_if_there(place).value_or(std::vector<std::string>())) {
            if (name.ends_with(".conf")) {
                by_name.emplace(name, place + "/" + name);
            }
        }
    }
    std::vector<std::string> files;
    for (const auto& [name, path] : by_name) {
        files.push_back(path);
    }
    files.push_back(root + "/etc/sysctl.conf");
    files.push_back(root + "/etc/ufw/sysctl.conf");
    return files;
}

// As the path below /proc/sys: the first of both separators tells which one it is.
std::string path_of(std::string_view key) {
    std::string path(key);
    const std::size_t first = path.find_first_of("./");
    if (first != std::string::npos && path[first] == '.') {
        for (char& c : path) {
            c = c == '/' ? '.' : c == '.' ? '/' : c;
        }
    }
    return path;
}

}  // namespace

std::optional<std::string> configured_sysctl(const std::string& root,
                                             std::span<const std::string_view> paths) {
    std::optional<std::string> value;
    for (const std::string& file : files_in_order(root)) {
        const std::string text = read_file(file).value_or("");
        for (std::string_view line : split(text, '\n')) {
            line = trim(line);
            const std::size_t sign = line.find('=');
            if (sign == std::string_view::npos || line.starts_with('#') || line.starts_with(';')) {
                continue;
            }
            std::string_view key = trim(line.substr(0, sign));
            key.remove_prefix(key.starts_with('-') ? 1 : 0);
            if (std::ranges::find(paths, path_of(key)) != paths.end()) {
                value = trim(line.substr(sign + 1));
            }
        }
    }
    return value;
}

}  // namespace partd::kernel
