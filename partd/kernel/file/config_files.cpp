// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/config_files.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

bool is_config_name(std::string_view name) {
    return name.ends_with(".toml") && name.size() > 5 && !name.starts_with('.') && !name.starts_with('#');
}

bool is_mask(int directory, const std::string& name) {
    std::array<char, 16> target{};
    const ssize_t size = readlinkat(directory, name.c_str(), target.data(), target.size());
    return size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == "/dev/null";
}

// The objection to a file's or directory's owner and mode; "" if only root can write it.
std::string ownership_problem(const struct stat& st) {
    if (st.st_uid != 0) {
        return fmt::format("belongs to user {}, not to root: chown root it", st.st_uid);
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fmt::format("may be written by others (mode {:04o}): chmod go-w it", st.st_mode & 07777U);
    }
    return {};
}

std::string file_problem(const struct stat& st, std::size_t most) {
    if (!S_ISREG(st.st_mode)) {
        const std::string_view what = S_ISDIR(st.st_mode)    ? "a directory"
                                      : S_ISFIFO(st.st_mode) ? "a FIFO"
                                                             : "a device or socket";
        return fmt::format("is {}, not a regular file", what);
    }
    if (st.st_nlink != 1) {
        return fmt::format("has {} names (hard links): copy it instead", st.st_nlink);
    }
    if (static_cast<std::size_t>(st.st_size) > most) {
        return fmt::format("has {} bytes; at most {} are read", st.st_size, most);
    }
    return ownership_problem(st);
}

// True if anybody has the file open for writing: a read lease is refused then (fcntl(2), F_SETLEASE). SIGIO
// is ignored meanwhile: it would kill us if somebody opened the file and so broke the lease.
bool is_being_written(int fd) {
    struct sigaction ignore{};
    struct sigaction former{};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGIO, &ignore, &former);
    const bool refused = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    sigaction(SIGIO, &former, nullptr);
    return refused;
}

FileStamp stamp_of(const struct stat& st) {
    return {static_cast<std::int64_t>(st.st_dev),
            static_cast<std::int64_t>(st.st_ino),
            st.st_size,
            st.st_mtim.tv_sec,
            st.st_mtim.tv_nsec,
            st.st_ctim.tv_sec,
            st.st_ctim.tv_nsec};
}

// True if any change from now on shows in the stamp: the kernel's clock for files ticks every few
// milliseconds.
bool has_settled(const struct stat& st) {
    struct timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return st.st_ctim.tv_sec + 1 < now.tv_sec;
}

class Collector {
public:
    Collector(std::size_t most, ConfigMemory* memory) : most_(most), memory_(memory) {}

    void take_directory(const std::string& path) {
        const auto directory = open_directory(path);
        const auto names = list_directory(path);
        if (!directory || !names) {
            result_.missing.insert(path);
            const int code = directory ? names.error().code : directory.error().code;
            if (code != ENOENT && code != ENOTDIR) {
                refuse(path, "the directory cannot be read: " + errno_text(code));
            }
            return;
        }
        struct stat st{};
        fstat(directory->get(), &st);
        if (const std::string problem = ownership_problem(st); !problem.empty()) {
            refuse(path, "the directory " + problem);
            result_.missing.insert(path);
            return;
        }
        for (const std::string& name : *names) {
            if (is_config_name(name)) {
                take_file(directory->get(), path + "/" + name, name);
            } else if (is_near_config_name(name) && fstatat(directory->get(), name.c_str(), &st, 0) == 0 &&
                       S_ISREG(st.st_mode)) {
                result_.overlooked.insert(path + "/" + name);
            }
        }
    }

    void take(const std::string& path) {
        const std::size_t slash = path.rfind('/');
        if (const auto directory = open_directory(path.substr(0, slash))) {
            take_file(directory->get(), path, path.substr(slash + 1));
        }
    }

    ConfigFiles finish() && {
        for (auto& [name, file] : files_) {
            if (file) {
                result_.files.push_back(std::move(*file));
            }
        }
        if (memory_ != nullptr) {
            memory_->entries = std::move(remembered_);
        }
        return std::move(result_);
    }

private:
    // Takes it from memory when it is still the same file.
    bool recall(int directory, const std::string& path, const std::string& name) {
        if (memory_ == nullptr) {
            return false;
        }
        struct stat st{};
        const auto known = memory_->entries.find(path);
        if (known == memory_->entries.end() ||
            fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            stamp_of(st) != known->second.stamp) {
            return false;
        }
        files_[name] = TextFile{path, known->second.text};
        remembered_.insert(memory_->entries.extract(known));
        return true;
    }

    void take_file(int directory, const std::string& path, const std::string& name) {
        files_[name].reset();
        if (recall(directory, path, name)) {
            return;
        }
        if (is_mask(directory, name)) {
            return;
        }
        const auto fd = open_below(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (!fd) {
            const int code = fd.error().code;
            if (code == ENOENT) {
                return;  // it went since the directory was listed
            }
            refuse(path, code == ELOOP   ? "is a symbolic link; only one to /dev/null means something"
                         : code == ENXIO ? "is a socket, not a regular file"
                                         : errno_text(code));
            return;
        }
        struct stat st{};
        fstat(fd->get(), &st);
        if (const std::string problem = file_problem(st, most_); !problem.empty()) {
            refuse(path, problem);
            return;
        }
        auto text = read_fd(fd->get(), most_);
        if (is_being_written(fd->get())) {
            result_.unread.insert(path);
        } else if (!text) {
            refuse(path, text.error().message);
        } else if (trim(*text).empty()) {
            // a full disk and an editor that failed leave one, and it would remove what it declared
            refuse(path, "is empty: remove it, write a comment, or link it to /dev/null to mask another one");
        } else {
            if (memory_ != nullptr && has_settled(st)) {
                remembered_[path] = {stamp_of(st), *text};
            }
            files_[name] = TextFile{path, std::move(*text)};
        }
    }

    void refuse(const std::string& path, const std::string& why) {
        result_.bad.insert(path);
        result_.problems.error({std::make_shared<const std::string>(path), 1, 1}, why);
    }

    std::size_t most_;
    ConfigMemory* memory_;
    std::map<std::string, ConfigMemory::Entry> remembered_;
    ConfigFiles result_;
    std::map<std::string, std::optional<TextFile>> files_;
};

// True if inserting, deleting or replacing one letter, or swapping two neighbours, turns `other` into `word`.
bool is_one_slip_away(std::string_view word, std::string_view other) {
    const std::size_t shorter = std::min(word.size(), other.size());
    if (std::max(word.size(), other.size()) > shorter + 1) {
        return false;
    }
    const auto differ = std::ranges::mismatch(word, other);
    const std::string_view left(differ.in1, word.end());
    const std::string_view right(differ.in2, other.end());
    if (left.size() != right.size()) {
        return left.size() > right.size() ? left.substr(1) == right : right.substr(1) == left;
    }
    const bool swapped =
        left.size() > 1 && left[0] == right[1] && left[1] == right[0] && left.substr(2) == right.substr(2);
    return left.empty() || left.substr(1) == right.substr(1) || swapped;
}

}  // namespace

bool is_near_config_name(std::string_view name) {
    static constexpr std::array<std::string_view, 3> kOthers = {"conf", "cfg", "ini"};
    if (name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || is_config_name(name)) {
        return false;
    }
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    });
    const std::size_t dot = lower.rfind('.');
    const std::string_view suffix = dot == std::string::npos ? "" : std::string_view(lower).substr(dot + 1);
    return lower.contains(".toml") || is_one_slip_away(suffix, "toml") ||
           std::ranges::find(kOthers, suffix) != kOthers.end();
}

ConfigFiles read_config_directories(const std::vector<std::string>& directories, std::size_t most,
                                    ConfigMemory* memory) {
    Collector collector(most, memory);
    for (const std::string& directory : directories) {
        collector.take_directory(directory);
    }
    return std::move(collector).finish();
}

std::optional<std::map<std::string, FileStamp>> stamp_config_directories(
    const std::vector<std::string>& directories) {
    std::map<std::string, FileStamp> stamps;
    for (const std::string& path : directories) {
        const auto directory = open_directory(path);
        const auto names = list_directory(path);
        struct stat st{};
        if (!directory || !names || fstat(directory->get(), &st) != 0) {
            continue;
        }
        stamps[path] = {static_cast<std::int64_t>(st.st_dev), static_cast<std::int64_t>(st.st_ino),
                        static_cast<std::int64_t>(st.st_uid), static_cast<std::int64_t>(st.st_mode)};
        for (const std::string& name : *names) {
            if (!is_config_name(name) ||
                fstatat(directory->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
                continue;
            }
            if (!has_settled(st)) {
                return std::nullopt;
            }
            stamps[path + "/" + name] = stamp_of(st);
        }
    }
    return stamps;
}

ConfigFiles read_config_files(const std::set<std::string>& paths, std::size_t most) {
    Collector collector(most, nullptr);
    for (const std::string& path : paths) {
        collector.take(path);
    }
    return std::move(collector).finish();
}

bool others_may_read(const std::string& path) {
    struct stat st{};
    if (!path.starts_with('/') || stat(path.c_str(), &st) != 0 || (st.st_mode & S_IROTH) == 0) {
        return false;
    }
    for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
        if (stat(path.substr(0, end).c_str(), &st) != 0 || (st.st_mode & S_IXOTH) == 0) {
            return false;
        }
    }
    return true;
}

Result<TextFile> read_named_file(const std::string& path, std::size_t most) {
    if (path == "-") {
        auto text = read_fd(STDIN_FILENO, most);
        PARTD_TRY(text);
        return TextFile{"<stdin>", std::move(*text)};
    }
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
        return fail_errno(printable(path));
    }
    struct stat st{};
    if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
        return fail(printable(path) + " is not a regular file");
    }
    if (static_cast<std::size_t>(st.st_size) > most) {
        return fail(fmt::format("the file has {} bytes; at most {} are read", st.st_size, most));
    }
    auto text = read_fd(fd.get(), most);
    PARTD_TRY(text);
    return TextFile{path, std::move(*text)};
}

}  // namespace partd::kernel
