// SPDX-License-Identifier: Apache-2.0
#include "reconcile/history.h"

#include "base/text.h"
#include "kernel/clock.h"
#include "kernel/file/files.h"
#include "kernel/file/own_files.h"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr std::string_view kHeader = "partd-generation 1 ";

// A field of a line of its own: no line may end in it.
std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

// A path without an end of a line in it. As sha256sum(1) prints names: one that needs it begins with a
// backslash, and "\\n" and "\\\\" stand for the two.
std::string in_a_line(const std::string& path) {
    if (!path.contains('\n') && !path.starts_with('\\')) {
        return path;
    }
    std::string line = "\\";
    for (const char c : path) {
        line += c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
    }
    return line;
}

std::string from_a_line(std::string_view line) {
    if (!line.starts_with('\\')) {
        return std::string(line);
    }
    std::string path;
    for (std::size_t i = 1; i < line.size(); ++i) {
        const bool escaped = line[i] == '\\' && i + 1 < line.size();
        i += escaped ? 1 : 0;
        path += escaped && line[i] == 'n' ? '\n' : line[i];
    }
    return path;
}

// Takes a line off the text.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

}  // namespace

// For each a line with its length and path, then its text.
std::string encode_files(const std::vector<TextFile>& files) {
    std::string all;
    for (const TextFile& file : files) {
        all += fmt::format("{} {}\n{}", file.text.size(), in_a_line(file.path), file.text);
    }
    return all;
}

std::optional<std::vector<TextFile>> decode_files(std::string_view text) {
    std::vector<TextFile> files;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t blank = text.find(' ');
        const auto size = parse_number(text.substr(0, blank));
        if (!size || end == std::string_view::npos || blank > end || *size > text.size() - end - 1) {
            return std::nullopt;
        }
        files.push_back(
            {from_a_line(text.substr(blank + 1, end - blank - 1)), std::string(text.substr(end + 1, *size))});
        text.remove_prefix(end + 1 + *size);
    }
    return files;
}

std::string encode_generation(const Generation& generation) {
    const auto time =
        std::chrono::duration_cast<std::chrono::milliseconds>(generation.time.time_since_epoch()).count();
    const std::string body =
        fmt::format("{}\n{}\n{}\n{}\n{}", generation.number, time, one_line(generation.origin),
                    one_line(generation.outcome), encode_files(generation.files));
    return fmt::format("{}{:016x}\n{}", kHeader, fnv1a(body), body);
}

std::optional<Generation> decode_generation(std::string_view text) {
    const std::string_view first = take_line(text);
    if (first != fmt::format("{}{:016x}", kHeader, fnv1a(text))) {
        return std::nullopt;
    }
    const auto number = parse_number(take_line(text));
    const auto time = kernel::parse_time(take_line(text));
    if (!number || !time) {
        return std::nullopt;
    }
    Generation generation{.number = *number, .time = *time};
    generation.origin = take_line(text);
    generation.outcome = take_line(text);
    auto files = decode_files(text);
    if (!files) {
        return std::nullopt;  // the checksum says that this is what was written: it lacks files all the same
    }
    generation.files = std::move(*files);
    return generation;
}

std::string History::path_of(std::uint64_t number) const {
    return fmt::format("{}/{:08}", directory_, number);
}

Result<std::vector<std::uint64_t>> History::numbers() const {
    std::vector<std::uint64_t> all;
    const auto names = kernel::list_if_there(directory_);
    PARTD_TRY(names);
    for (const std::string& name : *names) {
        if (const auto number = parse_number(name)) {
            all.push_back(*number);
        }
    }
    std::ranges::sort(all);
    return all;
}

Result<std::optional<Generation>> History::find(std::uint64_t number) const {
    const auto text = kernel::read_if_there(path_of(number));
    PARTD_TRY(text);
    return decode_generation(*text);
}

Result<std::optional<Generation>> History::last() const {
    const auto all = numbers();
    PARTD_TRY(all);
    Result<std::optional<Generation>> last = std::nullopt;
    for (const std::uint64_t number : std::views::reverse(*all)) {
        auto found = find(number);
        if (found && *found) {
            return found;
        }
        last = found ? std::move(last) : std::move(found);
    }
    return last;
}

Result<std::uint64_t> History::write_new(Generation generation) const {
    const auto all = numbers();
    PARTD_TRY(all);
    generation.number = all->empty() ? 0 : all->back();
    while (true) {
        ++generation.number;
        const auto written =
            kernel::write_new_durably(path_of(generation.number), encode_generation(generation), 0600);
        PARTD_TRY(written);
        if (*written) {
            return generation.number;  // else somebody else has just taken it
        }
    }
}

Result<std::uint64_t> History::record(Generation generation, std::size_t most) const {
    PARTD_TRY(kernel::make_directories(directory_.substr(0, directory_.rfind('/')), 0711));
    PARTD_TRY(kernel::make_directories(directory_, 0700));
    if (generation.number == 0) {
        auto number = write_new(generation);
        PARTD_TRY(number);
        generation.number = *number;
    } else {
        PARTD_TRY(kernel::write_durably(path_of(generation.number), encode_generation(generation), 0600));
    }
    const auto all = numbers();
    PARTD_TRY(all);
    for (std::size_t i = 0; i + most < all->size(); ++i) {
        PARTD_TRY(kernel::remove_file(path_of(all->at(i))));
    }
    return generation.number;
}

}  // namespace partd
