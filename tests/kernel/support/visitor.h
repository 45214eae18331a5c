// SPDX-License-Identifier: Apache-2.0
#pragma once
// A member of the group partd who speaks D-Bus by hand, and so as badly as he likes.

#include "daemon_fixture.h"

#include <chrono>
#include <stdexcept>
#include <string>

namespace partd::test {

/// The beginning of each visitor's script: connect(); call(member, options); files(text) and options(…) for
/// these; answer(connection) gives the type of the message and the rest of it.
inline constexpr const char* kSpeak = R"py(
import os, resource, socket, struct, sys, time
def pad(data, to): return data + b"\0" * (-len(data) % to)
def string(text):
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(text)) + text + b"\0"
def connect():
    s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect("/run/partd/bus")
    s.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert s.recv(100).startswith(b"OK "); s.sendall(b"BEGIN\r\n"); return s
def field(code, kind, value): return struct.pack("<BB", code, 1) + kind + b"\0" + value
def options(name, signature, value):
    entry = string(name) + bytes([len(signature)]) + signature.encode() + b"\0"
    entry = pad(entry, 4 if signature[0] == "a" else 8) + value
    return pad(struct.pack("<I", len(entry)), 8) + entry
def pair(text, path="x.toml"): return pad(string(path), 4) + string(text)
def files(text):
    file = pair(text)  # the length of the list stands at 20, and 24 can be divided by 8
    return options("files", "a(ss)", struct.pack("<I", len(file)) + file)
def call(member, body=b"\0" * 8, declared=None):
    fields = b""
    for code, kind, value in ((1, b"o", string("/org/partd1")), (2, b"s", string("org.partd1.Manager")),
                              (3, b"s", string(member)), (8, b"g", b"\x05a{sv}\0")):
        fields = pad(fields, 8) + field(code, kind, value)
    length = len(body) if declared is None else declared
    return b"l\x01\x00\x01" + struct.pack("<III", length, 1, len(fields)) + pad(fields, 8) + body
def answer(s):
    head = b""
    while len(head) < 16: head += s.recv(16 - len(head))
    body, _, fields = struct.unpack("<III", head[4:])
    rest = b""; size = (fields + 7) // 8 * 8 + body
    while len(rest) < size:
        more = s.recv(size - len(rest)); assert more; rest += more
    return (head[1], rest) if head[1] != 4 else answer(s)
)py";

/// A host with the group, and a daemon.
struct Visited {
    struct Host : Sandbox {
        explicit Host(const std::string& text) {
            write_file("/etc/group", read_file("/etc/group") + "partd:x:64999:\n");
            write_config("web.toml", text);
        }
    };
    Host sandbox;
    Daemon daemon;

    explicit Visited(const std::string& text = kWeb) : sandbox(text) {
        if (!eventually([&] { return answers(sandbox) && converged(sandbox); }, 30s)) {
            throw std::runtime_error(daemon.log());
        }
    }
    /// Runs the script as a member of the group.
    [[nodiscard]] static Background visit(const std::string& script, int uid = 65534) {
        const auto id = std::to_string(uid);
        return Background(Arguments{"setpriv", "--reuid", id, "--regid", id, "--groups", "64999", "--",
                                    "/usr/bin/python3", "-c", kSpeak + script});
    }
    /// How long root's status takes, in seconds.
    [[nodiscard]] double answered_in() const {
        const auto begin = std::chrono::steady_clock::now();
        if (sandbox.partctl({"-v", "status"}, {.input = {}, .timeout = 30s}).err.find("asking partd") ==
            std::string::npos) {
            throw std::runtime_error("partd does not answer: " + daemon.log());
        }
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
};

}  // namespace partd::test
