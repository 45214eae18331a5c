// SPDX-License-Identifier: Apache-2.0
#include "kernel/layer/layers.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/file/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kAside = ".gone-";
constexpr std::array kParts = {"upper", "work"};

bool make_directory(const std::string& path, unsigned mode) {
    return mkdir(path.c_str(), mode) == 0 || errno == EEXIST;
}

// The reason why a directory cannot be a layer; "" if it can.
std::string objection(const std::string& path, const struct stat& st) {
    if (S_ISLNK(st.st_mode)) {
        return path +
               " is a symbolic link, no layer: mount the file system that is to hold the layer there instead";
    }
    if (!S_ISDIR(st.st_mode)) {
        return path + " is not a directory";
    }
    return st.st_uid == 0 ? std::string()
                          : fmt::format("{} belongs to user {}, not to root", path, st.st_uid);
}

}  // namespace

Result<Layers::Entry> Layers::look(const std::string& name) const {
    const std::string path = path_of(name);
    struct stat st{};
    if (lstat(path.c_str(), &st) != 0) {
        return errno == ENOENT || errno == ENOTDIR ? Result<Entry>(Entry()) : fail_errno("look at " + path);
    }
    if (std::string why = objection(path, st); !why.empty()) {
        return Entry{State::Foreign, std::move(why)};
    }
    Entry entry{State::Whole};
    for (const char* part : kParts) {
        const std::string inner = fmt::format("{}/{}", path, part);
        if (lstat(inner.c_str(), &st) == 0) {
            if (!S_ISDIR(st.st_mode)) {
                return Entry{State::Foreign, inner + " is not a directory"};
            }
        } else if (errno == ENOENT) {
            entry.state = State::Incomplete;
        } else {
            return fail_errno("look at " + inner);
        }
    }
    return entry;
}

bool Layers::begun(const std::string& name) const {
    return exists(draft_of(name));
}

Result<> Layers::make(const std::string& name) const {
    // Nobody but root comes near: a partition's root may leave programs with its rights there.
    PARTD_TRY(make_directories(directory_.substr(0, directory_.rfind('/')), 0711));
    PARTD_TRY(make_directories(directory_, 0700));
    if (chmod(directory_.c_str(), 0700) != 0) {  // somebody else may have made it
        return fail_errno("close " + directory_);
    }
    const bool anew = !exists(path_of(name));
    const std::string path = anew ? draft_of(name) : path_of(name);
    if (!make_directory(path, 0700) || !make_directory(path + "/work", 0700) ||
        !make_directory(path + "/upper", 0755)) {
        return fail_errno("create " + path);
    }
    if (anew && rename(path.c_str(), path_of(name).c_str()) != 0) {
        return fail_errno("create " + path_of(name));
    }
    return {};
}

namespace {

// Where nothing else is, removes the empty directories that something was mounted on.
void remove_places(const std::string& upper) {
    static constexpr std::array<std::string_view, 4> kPlaces = {"dev", "proc", "sys", "tmp"};
    const auto names = list_directory(upper).value_or(std::vector<std::string>());
    const auto is_place = [](const std::string& name) {
        return std::ranges::find(kPlaces, name) != kPlaces.end();
    };
    if (!std::ranges::all_of(names, is_place)) {
        return;
    }
    for (const std::string& name : names) {
        (void)rmdir(fmt::format("{}/{}", upper, name).c_str());
    }
}

}  // namespace

void Layers::let_go(const std::string& name) const {
    for (const std::string& path : {draft_of(name), path_of(name)}) {
        // rmdir(2) takes empty directories alone: with a single file, all stays.
        remove_places(path + "/upper");
        if (rmdir((path + "/upper").c_str()) == 0 || errno == ENOENT) {
            // overlayfs has a directory of its own in there.
            const std::string work = path + "/work";
            for (const std::string& each : {work + "/work", work, path}) {
                (void)rmdir(each.c_str());
            }
        }
    }
    remove_empty_directory(directory_);
    remove_empty_directory(directory_.substr(0, directory_.rfind('/')));
}

Result<std::vector<std::string>> Layers::aside(const std::string& name) const {
    const auto all = list_if_there(directory_);
    PARTD_TRY(all);
    std::vector<std::string> found;
    const std::string begin = std::string(kAside) + name;
    std::ranges::copy_if(*all, std::back_inserter(found), [&](const std::string& each) {
        return each == begin || each.starts_with(begin + ".");  // no name has a dot
    });
    return found;
}

Result<Layers::Names> Layers::list() const {
    const auto all = list_if_there(directory_);
    PARTD_TRY(all);
    Names names;
    for (const std::string& each : *all) {
        if (each.starts_with(kAside)) {
            const std::string name = each.substr(kAside.size());
            names.leftover.insert(name.substr(0, name.find('.')));
            continue;
        }
        if (each.starts_with('.')) {
            continue;  // one that is being made
        }
        auto entry = look(each);
        PARTD_TRY(entry);
        if (entry->state == State::Foreign) {
            names.foreign.push_back(std::move(*entry));
        } else if (entry->state != State::Absent) {
            names.layers.insert(each);
        }
    }
    return names;
}

namespace {

class Measure {
public:
    explicit Measure(Clock::time_point deadline) : deadline_(deadline) {}

    LayerSize run(const std::string& path) {
        if (auto top = open_directory(path); top) {
            enter(top->get());
        }
        while (!open_.empty() && size_.complete) {
            const dirent* entry = readdir(open_.back().get());
            if (entry == nullptr) {
                open_.pop_back();
            } else if (const std::string_view name = entry->d_name; name != "." && name != "..") {
                take(dirfd(open_.back().get()), entry->d_name);
                size_.complete &= Clock::now() < deadline_;
            }
        }
        return size_;
    }

private:
    void enter(int directory) {
        constexpr std::size_t kDeepest = 256;
        if (open_.size() == kDeepest) {
            size_.complete = false;
            return;
        }
        if (DirectoryStream stream = open_stream(directory); stream) {
            open_.push_back(std::move(stream));
        }
    }

    void take(int directory, const char* name) {
        struct stat st{};
        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            return;
        }
        constexpr std::uint64_t kBlock = 512;  // stat(2)
        const bool inner = S_ISDIR(st.st_mode);
        const auto names = inner ? 1 : std::max<std::uint64_t>(st.st_nlink, 1);
        size_.bytes += static_cast<std::uint64_t>(st.st_blocks) * kBlock / names;
        size_.files += inner ? 0 : 1;
        size_.written = std::max<std::int64_t>(size_.written, st.st_mtim.tv_sec);
        if (!inner) {
            return;
        }
        if (const auto below = open_directory_inside(directory, name); below) {
            enter(below->get());
        }
    }

    Clock::time_point deadline_;
    LayerSize size_;
    std::vector<DirectoryStream> open_;
};

}  // namespace

LayerSize Layers::size(const std::string& name, Deadline deadline) const {
    return Measure(deadline).run(path_of(name) + "/upper");
}

Result<> Layers::set_aside(const std::string& name) const {
    const std::string path = path_of(name);
    constexpr int kMost = 1000;
    for (int number = 0; number < kMost; ++number) {
        const std::string target =
            fmt::format("{}/{}{}{}", directory_, kAside, name, number == 0 ? "" : fmt::format(".{}", number));
        if (renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) {
            return {};
        }
        if (errno == EBUSY) {
            return fail(EBUSY, path + ": a file system is mounted there: umount it first");
        }
        if (errno != EEXIST) {
            return fail_errno("rename " + path);
        }
    }
    return fail(EEXIST, "rename " + path);
}

Result<bool> Layers::remove_aside(const std::string& name, Deadline deadline) const {
    const auto all = aside(name);
    PARTD_TRY(all);
    if (all->empty()) {
        return true;
    }
    const auto directory = open_directory(directory_);
    PARTD_TRY(directory);
    for (const std::string& each : *all) {
        const auto top = open_directory_inside(directory->get(), each);
        if (!top && top.error().code == ENOENT) {
            continue;  // another one deletes it, too
        }
        PARTD_TRY(top);
        auto emptied = remove_contents(top->get(), deadline);
        if (!emptied) {
            return std::unexpected(std::move(emptied).error().wrap(directory_ + "/" + each));
        }
        if (!*emptied) {
            return false;
        }
        if (unlinkat(directory->get(), each.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
            return fail_errno(fmt::format("remove {}/{}", directory_, each));
        }
    }
    remove_empty_directory(directory_);
    remove_empty_directory(directory_.substr(0, directory_.rfind('/')));
    return true;
}

}  // namespace partd::kernel
