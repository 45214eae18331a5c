// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/own_files.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// Where a file is: its directory, open, and its name in it. Whatever becomes of the path meanwhile, all that
// is done is done there.
struct Place {
    std::string path = {};
    std::string name = {};
    Fd directory = {};
};

// `resolve`: of openat2(2), for the directory.
Result<Place> place_of(const std::string& path, std::uint64_t resolve = 0) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = resolve;
    Fd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, directory.c_str(), &how, sizeof how)));
    if (!fd && errno == ELOOP && resolve != 0) {
        return fail(ELOOP, path + ": a part of the path is a symbolic link, and none is followed: write");
    }
    return fd ? Result<Place>(Place{path, path.substr(slash + 1), std::move(fd)})
              : fail_errno(path + ": open " + directory);
}

// True when the name still stands for this very file, which has no other name and does not belong to another
// user. Otherwise somebody could have put a link there, to have its target written over.
bool is_own(const Place& place, const std::string& name, int fd) {
    struct stat named{};
    struct stat open{};
    return fstatat(place.directory.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(fd, &open) == 0 && named.st_dev == open.st_dev && named.st_ino == open.st_ino &&
           S_ISREG(open.st_mode) && open.st_nlink == 1 && open.st_uid == geteuid();
}

std::string random_word() {
    std::uint64_t number = 0;
    (void)getrandom(&number, sizeof number, 0);
    return fmt::format("{:016x}", number);
}

// The next text of a file, beside it. It is locked while it is open, and goes when it has not taken its
// place.
struct Draft {
    Place place = {};
    std::string name = {};
    Fd fd = {};
    bool placed = false;

    Draft() = default;
    Draft(Draft&& other) noexcept
        : place(std::move(other.place)),
          name(std::move(other.name)),
          fd(std::move(other.fd)),
          placed(std::exchange(other.placed, true)) {}
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    Draft& operator=(Draft&&) = delete;
    ~Draft() {
        if (!placed && fd) {
            unlinkat(place.directory.get(), name.c_str(), 0);
        }
    }
};

// Errors of open(2) when something is in the way that another name would not have: a link, a FIFO that nobody
// reads, a directory, a file with a lease, a running program, another user's file in a sticky directory.
bool is_in_the_way(int code) {
    return code == ELOOP || code == ENXIO || code == EISDIR || code == EAGAIN || code == ETXTBSY ||
           code == EACCES || code == EPERM;
}

// Under one name, so that what killed writers leave does not add up; under another one while that is a
// writer's at work, or anything else.
Result<Draft> open_draft(Place place, unsigned mode) {
    constexpr int kMostTries = 64;
    constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    std::string name = place.name + ".new";
    int code = EBUSY;
    for (int i = 0; i < kMostTries; ++i) {
        Fd fd(openat(place.directory.get(), name.c_str(), kFlags, mode));
        code = fd ? EBUSY : errno;
        if (!fd && !is_in_the_way(code)) {
            break;
        }
        if (fd && flock(fd.get(), LOCK_EX | LOCK_NB) == 0 && is_own(place, name, fd.get())) {
            Draft draft;
            draft.place = std::move(place);
            draft.name = std::move(name);
            draft.fd = std::move(fd);
            const bool empty = ftruncate(draft.fd.get(), 0) == 0 && fchmod(draft.fd.get(), mode) == 0;
            return empty ? Result<Draft>(std::move(draft)) : fail_errno("create " + draft.name);
        }
        name = fmt::format("{}.{}.new", place.name, random_word());
    }
    return fail(code, "create " + name);
}

Result<Draft> write_draft(Result<Place> place, std::string_view text, unsigned mode, bool durable) {
    PARTD_TRY(place);
    const std::string path = place->path;
    auto draft = open_draft(std::move(*place), mode);
    auto written = draft ? write_all(draft->fd.get(), text) : Result<>();
    if (draft && written && durable && fsync(draft->fd.get()) != 0) {
        written = fail_errno("write " + draft->name);
    }
    if (!draft || !written) {
        return std::unexpected((draft ? std::move(written).error() : std::move(draft).error()).wrap(path));
    }
    return draft;
}

Result<> put_in_place(Draft& draft) {
    const int directory = draft.place.directory.get();
    draft.placed = renameat(directory, draft.name.c_str(), directory, draft.place.name.c_str()) == 0;
    return draft.placed ? Result<>() : fail_errno(draft.place.path + ": rename " + draft.name);
}

Result<> make_names_durable(const Draft& draft) {
    return fsync(draft.place.directory.get()) == 0 ? Result<>() : fail_errno("write " + draft.place.path);
}

constexpr std::uint64_t kNoLinks = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

}  // namespace

Result<> write_atomically(const std::string& path, std::string_view text, unsigned mode) {
    auto draft = write_draft(place_of(path), text, mode, false);
    PARTD_TRY(draft);
    return put_in_place(*draft);
}

Result<> write_durably(const std::string& path, std::string_view text, unsigned mode) {
    auto draft = write_draft(place_of(path), text, mode, true);
    PARTD_TRY(draft);
    PARTD_TRY(put_in_place(*draft));
    return make_names_durable(*draft);
}

Result<> write_among_others(const std::string& path, std::string_view text, unsigned mode) {
    auto draft = write_draft(place_of(path, kNoLinks), text, mode, false);
    PARTD_TRY(draft);
    return put_in_place(*draft);
}

void remove_among_others(const std::string& path) {
    struct stat st{};
    const auto place = place_of(path, kNoLinks);
    if (place && fstatat(place->directory.get(), place->name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && st.st_uid == geteuid()) {
        unlinkat(place->directory.get(), place->name.c_str(), 0);
    }
}

std::string who_else_writes_in(const std::string& directory) {
    struct stat st{};
    if (stat(directory.c_str(), &st) != 0) {
        return {};
    }
    const bool others = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0;
    return !others ? std::string()
                   : fmt::format("{} may be written by {} (mode {:04o})", printable(directory),
                                 (st.st_mode & S_IWOTH) != 0 ? "everybody" : "a group", st.st_mode & 07777U);
}

Result<bool> write_new_durably(const std::string& path, std::string_view text, unsigned mode) {
    auto draft = write_draft(place_of(path), text, mode, true);
    PARTD_TRY(draft);
    const int at = draft->place.directory.get();
    const char* const from = draft->name.c_str();
    const char* const to = draft->place.name.c_str();
    // Not every file system has RENAME_NOREPLACE; the draft's own name goes with the draft then.
    if (renameat2(at, from, at, to, RENAME_NOREPLACE) == 0) {
        draft->placed = true;
    } else if (errno == EEXIST) {
        return false;
    } else if (errno != EINVAL || linkat(at, from, at, to, 0) != 0) {
        return errno == EEXIST ? Result<bool>(false) : fail_errno("create " + path);
    }
    PARTD_TRY(make_names_durable(*draft));
    return true;
}

Result<> make_file(const std::string& path) {
    const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    return fd ? Result<>() : fail_errno("create " + path);
}

bool is_locked(const std::string& path) {
    struct stat st{};
    const auto locks = read_file("/proc/locks");
    if (!locks || stat(path.c_str(), &st) != 0) {
        return false;
    }
    const std::string place =
        fmt::format(" {:02x}:{:02x}:{} ", major(st.st_dev), minor(st.st_dev), st.st_ino);
    return std::ranges::any_of(split(std::string_view(*locks), '\n'), [&](std::string_view line) {
        return line.contains("FLOCK") && !line.contains("->") && line.contains(place);
    });
}

}  // namespace partd::kernel
