// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/program.h"

#include "base/fd.h"
#include "base/text.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// As uname(2) calls them.
constexpr std::array<std::pair<int, std::string_view>, 11> kMachines = {{{EM_386, "i686"},
                                                                         {EM_68K, "m68k"},
                                                                         {EM_MIPS, "mips"},
                                                                         {EM_PPC, "ppc"},
                                                                         {EM_PPC64, "ppc64"},
                                                                         {EM_S390, "s390x"},
                                                                         {EM_ARM, "arm"},
                                                                         {EM_SPARCV9, "sparc64"},
                                                                         {EM_X86_64, "x86_64"},
                                                                         {EM_AARCH64, "aarch64"},
                                                                         {EM_RISCV, "riscv64"}}};

// The machine that an ELF file is for (elf(5)); in the file's own order of bytes.
std::string machine_of(std::string_view header) {
    constexpr std::size_t kMachine = offsetof(Elf64_Ehdr, e_machine);
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(header[at]); };
    const bool big = byte(EI_DATA) == ELFDATA2MSB;
    const int number =
        big ? byte(kMachine) << 8 | byte(kMachine + 1) : byte(kMachine + 1) << 8 | byte(kMachine);
    const auto* known = std::ranges::find(kMachines, number, &std::pair<int, std::string_view>::first);
    return known == kMachines.end() ? fmt::format("machine {}", number) : std::string(known->second);
}

std::string beginning_of(const std::string& path) {
    std::array<char, sizeof(Elf64_Ehdr)> bytes{};
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    const ssize_t size = file ? read(file.get(), bytes.data(), bytes.size()) : 0;
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// Tries one path; returns only with the errno.
Error try_path(const std::string& path, std::span<char* const> arguments) {
    execve(path.c_str(), arguments.data(), environ);
    auto error = fail_errno(arguments[0]).error();
    if (error.code == ENOEXEC) {
        error.message = fmt::format("{}: {}", path, why_not_executable(beginning_of(path)));
    } else if (error.code == ENOENT && access(path.c_str(), F_OK) == 0) {
        error.message += ": the file is there, but not the interpreter or dynamic loader that it names";
    }
    return error;
}

}  // namespace

std::string why_not_executable(std::string_view beginning) {
    if (beginning.starts_with(std::string_view(ELFMAG, SELFMAG)) && beginning.size() >= sizeof(Elf32_Ehdr)) {
        utsname host{};
        (void)uname(&host);
        const std::string machine = machine_of(beginning);
        return machine == host.machine
                   ? std::string(
                         "it is a program that this kernel cannot run: its format is damaged, or of another "
                         "system")
                   : fmt::format(
                         "it is a program for {}, which this host ({}) cannot run: take a root for {}, "
                         "or install an emulator (qemu-user-static, binfmt_misc)",
                         machine, host.machine, host.machine);
    }
    return beginning.empty()
               ? "the file is empty"
               : "it is neither a program nor a script with a first line such as \"#!/bin/sh\": "
                 "add that line, or name the shell in the command";
}

Error run_program(std::span<char* const> arguments) {
    const std::string name = arguments[0];
    if (name.contains('/')) {
        return try_path(name, arguments);
    }
    // Of all places: a file that may not be run is told before one that is not there.
    Error told{.code = ENOENT, .message = fmt::format("{}: it is in no directory of PATH", name)};
    const char* path = std::getenv("PATH");
    const std::string directories = path == nullptr ? "/bin:/usr/bin" : path;
    for (const std::string_view directory : split(directories, ':')) {
        const std::string full = fmt::format("{}/{}", directory.empty() ? "." : directory, name);
        const bool there = access(full.c_str(), F_OK) == 0;
        Error error = try_path(full, arguments);
        const bool passing = error.code == ENOENT || error.code == ENOTDIR || error.code == EACCES;
        if (!passing || (there && error.code == ENOENT)) {
            return error;
        }
        if (error.code == EACCES) {
            told = std::move(error);
        }
    }
    return told;
}

}  // namespace partd::kernel
