// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/terminal.h"

#include "kernel/file/files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>

namespace partd::kernel {

namespace {
constexpr std::array kStandard = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
}  // namespace

Result<Terminal> open_terminal() {
    auto pts = open_directory("/dev/pts", false);
    PARTD_TRY(pts);
    auto master = open_below(pts->get(), "ptmx", O_RDWR | O_NOCTTY);
    PARTD_TRY(master);
    int unlock = 0;
    if (ioctl(master->get(), TIOCSPTLCK, &unlock) != 0) {
        return fail_errno("unlock the terminal");
    }
    // By the master itself: a path could lead elsewhere.
    Fd slave(ioctl(master->get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave) {
        return fail_errno("open the terminal");
    }
    return Terminal{std::move(*master), std::move(slave)};
}

Result<> check_master(int fd) {
    struct stat st{};
    struct statfs fs{};
    constexpr unsigned kMajor = 5;
    constexpr unsigned kMinor = 2;
    if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0 || !S_ISCHR(st.st_mode) || major(st.st_rdev) != kMajor ||
        minor(st.st_rdev) != kMinor || fs.f_type != DEVPTS_SUPER_MAGIC) {
        return fail("what is at /dev/pts/ptmx in the partition is not a terminal");
    }
    return {};
}

Result<> use_terminal(const Fd& slave) {
    if (ioctl(slave.get(), TIOCSCTTY, 0) != 0) {
        return fail_errno("take the terminal");
    }
    for (const int fd : kStandard) {
        if (is_terminal(fd)) {
            dup2(slave.get(), fd);
        }
    }
    return {};
}

std::size_t lines_of_terminal(int fd) {
    constexpr std::size_t kUsual = 24;
    winsize size{};
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : kUsual;
}

bool is_terminal(int fd) {
    return isatty(fd) != 0;
}

bool in_foreground(int fd) {
    const pid_t owner = tcgetpgrp(fd);
    return owner < 0 || owner == getpgrp();
}

RawMode::RawMode() {
    termios settings{};
    if (tcgetattr(STDIN_FILENO, &settings) != 0) {
        return;
    }
    saved_ = settings;
    cfmakeraw(&settings);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
}

RawMode::~RawMode() {
    if (saved_) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &*saved_);
    }
}

void copy_window_size(int master) {
    winsize size{};
    for (const int fd : kStandard) {
        if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
            ioctl(master, TIOCSWINSZ, &size);
            return;
        }
    }
}

}  // namespace partd::kernel
