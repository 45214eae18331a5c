// SPDX-License-Identifier: Apache-2.0
// partctl exec and shell at a terminal, and the signals of partctl kill, freeze
// and thaw.

#include "attacker.h"
#include "pseudo_terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

Arguments exec(const Arguments& command) {
    Arguments all{PARTCTL, "exec", "cell", "--"};
    all.insert(all.end(), command.begin(), command.end());
    return all;
}

Arguments in_shell(const std::string& script) {
    return exec({"sh", "-c", script});
}

std::string state_of(pid_t pid) {
    const auto status = read_file("/proc/" + std::to_string(pid) + "/status");
    const auto at = status.find("State:\t");
    return status.substr(at + 7, 1);
}

/// A sleeper inside that partctl has started, by a duration that nobody else
/// sleeps.
pid_t await_sleeper(const Prison& prison, const std::string& duration) {
    pid_t pid = -1;
    eventually([&] { return (pid = prison.find("sleep " + duration)) > 0; });
    return pid;
}

/// Without carriage returns: two terminals on the way may add two, or none
/// where the caller's is raw.
std::string lines(std::string text) {
    std::erase(text, '\r');
    return text;
}

bool same(const termios& a, const termios& b) {
    return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
           a.c_lflag == b.c_lflag;
}

}  // namespace

TEST_CASE("terminal: the program has one of the partition's own", "[terminal]") {
    Prison prison;
    Pty pty(
        in_shell("tty; ls -1 /dev/pts; readlink /proc/self/fd/0; test -t 0 "
                 "&& test -t 1 && test -t 2 && echo all; "
                 "echo over > /dev/tty"));
    REQUIRE(pty.await("over"));
    CHECK(pty.wait() == 0);
    INFO(pty.shown());
    CHECK(pty.shown() == "/dev/pts/0\r\n0\r\nptmx\r\n/dev/pts/0\r\nall\r\nover\r\n");
}

TEST_CASE("terminal: without one nothing pretends", "[terminal]") {
    Prison prison;
    const auto outcome = prison.exec({"sh", "-c", "tty; test -t 1 || echo no; cat"}, {.input = "in"});
    INFO(outcome.text());
    CHECK(outcome.out == "not a tty\nno\nin");
    CHECK(prison.exec({"sh", "-c", "echo x > /dev/tty"}).code != 0);
}

TEST_CASE("terminal: input from elsewhere, output to it", "[terminal]") {
    Prison prison;
    Pty pty({"sh", "-c",
             "printf 'one\\ntwo\\n' | " PARTCTL
             " exec cell -- sh -c 'test -t 0 || echo piped; test -t 1 && echo "
             "shown; cat'; echo code $?"});
    REQUIRE(pty.await("code 0"));
    INFO(pty.shown());
    CHECK(lines(pty.shown()) == "piped\nshown\none\ntwo\ncode 0\n");
    Pty other({"sh", "-c",
               PARTCTL " exec cell -- sh -c 'test -t 0 && echo typed; test -t 1 "
                       "|| echo piped' | cat"});
    REQUIRE(other.await("piped"));
    CHECK(lines(other.shown()) == "typed\npiped\n");
}

TEST_CASE("terminal: the window's size arrives, and its changes", "[terminal]") {
    Prison prison;
    Pty pty(in_shell("trap 'stty size; echo changed' WINCH; stty size; echo "
                     "ready; while :; do sleep 0.1; done"),
            31, 97);
    REQUIRE(pty.await("ready"));
    CHECK(pty.shown().find("31 97\r\n") != std::string::npos);
    pty.resize(50, 132);
    CHECK(pty.await("50 132\r\n"));
    CHECK(pty.await("changed"));
    pty.type("\x03");
    CHECK(pty.wait() == 128 + SIGINT);
}

TEST_CASE("terminal: ^C reaches what runs inside", "[terminal]") {
    Prison prison;
    Pty pty(
        in_shell("trap 'echo caught; exit 7' INT; echo ready; while :; do "
                 "sleep 0.1; done"));
    REQUIRE(pty.await("ready"));
    pty.type("\x03");
    CHECK(pty.await("caught"));
    CHECK(pty.wait() == 7);
    // and ends it with the signal where it is not caught
    Pty plain(in_shell("echo ready; read word"));
    REQUIRE(plain.await("ready"));
    plain.type("\x03");
    CHECK(plain.wait() == 128 + SIGINT);
    // busybox's shell ignores this one
    Pty quit(exec({"sleep", "20.3"}));
    REQUIRE(await_sleeper(prison, "20.3") > 0);
    REQUIRE(eventually([&] { return (quit.settings().c_lflag & ISIG) == 0; }));
    quit.type("\x1c");
    CHECK(quit.wait() == 128 + SIGQUIT);
}

TEST_CASE("terminal: the shell has job control", "[terminal]") {
    Prison prison;
    Pty pty({PARTCTL, "shell", "cell"});
    pty.type("echo go$((1+1)); PS1=\n");
    REQUIRE(pty.await("go2"));
    pty.type("sleep 25.5\n");
    const pid_t sleeper = await_sleeper(prison, "25.5");
    REQUIRE(sleeper > 0);
    pty.type("\x1a");
    CHECK(eventually([&] { return state_of(sleeper) == "T"; }));
    pty.type("jobs; echo next$((1+1))\n");
    CHECK(pty.await("Stopped"));
    CHECK(pty.await("next2"));
    pty.type("fg\n");
    CHECK(eventually([&] { return state_of(sleeper) == "S"; }));
    pty.type("\x03");
    CHECK(eventually([&] { return !fs::exists("/proc/" + std::to_string(sleeper)); }));
    // the shell lives on
    pty.type("echo still$((1+1)); exit 5\n");
    CHECK(pty.await("still2"));
    CHECK(pty.wait() == 5);
    CHECK(pty.shown().find("can't access tty") == std::string::npos);
}

TEST_CASE("terminal: the caller's is as it was afterwards", "[terminal]") {
    Prison prison;
    const auto check = [](Pty& pty, const termios& before, const char* end, int code) {
        INFO(pty.shown());
        CHECK_FALSE(same(pty.settings(), before));  // raw meanwhile
        CHECK((pty.settings().c_lflag & (ICANON | ECHO | ISIG)) == 0);
        pty.type(end);
        CHECK(pty.wait() == code);
        CHECK(same(pty.settings(), before));
    };
    {
        Pty pty({"sh", "-c",
                 "stty -a >/dev/null; read go; exec " PARTCTL " exec cell -- sh -c 'echo ready; read x'"});
        const termios before = pty.settings();
        pty.type("go\n");
        REQUIRE(pty.await("ready"));
        check(pty, before, "\r", 0);
    }
    {
        Pty pty(
            {"sh", "-c", "read go; exec " PARTCTL " exec cell -- sh -c 'echo ready; read x; kill -9 $$'"});
        const termios before = pty.settings();
        pty.type("go\n");
        REQUIRE(pty.await("ready"));
        check(pty, before, "\r", 128 + SIGKILL);
    }
    {
        Pty pty({"sh", "-c", "read go; exec " PARTCTL " exec cell -- /no/such"});
        const termios before = pty.settings();
        pty.type("go\n");
        CHECK(pty.wait() == 127);
        CHECK(same(pty.settings(), before));
    }
}

TEST_CASE("terminal: a partition that is removed under it gives it back", "[terminal]") {
    Prison prison;
    Pty pty({"sh", "-c", "read go; exec " PARTCTL " exec cell -- sh -c 'echo ready; read x'"});
    const termios before = pty.settings();
    pty.type("go\n");
    REQUIRE(pty.await("ready"));
    prison.sandbox.remove_config("cell.toml");
    CHECK(prison.sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    const int code = pty.wait();
    INFO(code);
    CHECK(code > 128);
    CHECK(same(pty.settings(), before));
}

TEST_CASE("terminal: exit codes and signals are passed on", "[terminal]") {
    Prison prison;
    const auto code = [](const std::string& script) { return Pty(in_shell(script)).wait(); };
    CHECK(code("exit 0") == 0);
    CHECK(code("exit 42") == 42);
    CHECK(code("exit 255") == 255);
    CHECK(code("kill -TERM $$") == 128 + SIGTERM);
    CHECK(code("kill -SEGV $$") == 128 + SIGSEGV);
    CHECK(Pty(exec({"/no/such"})).wait() == 127);
    CHECK(Pty(exec({"/etc/passwd"})).wait() == 126);
    CHECK(prison.exec({"sh", "-c", "kill -ABRT $$"}).code == 128 + SIGABRT);
}

TEST_CASE("terminal: much output arrives whole", "[terminal]") {
    Prison prison;
    Pty pty(in_shell("i=0; while [ $i -lt 20000 ]; do echo line$i; i=$((i+1)); done"));
    CHECK(pty.wait(20s) == 0);
    CHECK(pty.shown().ends_with("line19999\r\n"));
    CHECK(std::count(pty.shown().begin(), pty.shown().end(), '\n') == 20000);
    // also the last words of one that ends at once
    for (int i = 0; i < 10; ++i) {
        Pty last(in_shell("head -c 10000 /dev/zero | tr '\\0' x; echo end"));
        CHECK(last.wait() == 0);
        CHECK(last.shown() == std::string(10000, 'x') + "end\r\n");
    }
}

TEST_CASE("terminal: much input comes back whole", "[terminal]") {
    Prison prison;
    Pty pty(in_shell("stty raw -echo; echo ready; exec head -c 200000"));
    REQUIRE(pty.await("ready"));
    pty.type(std::string(200000, 'x'));
    CHECK(pty.wait(10s) == 0);
    CHECK(std::count(pty.shown().begin(), pty.shown().end(), 'x') == 200000);
}

TEST_CASE("terminal: a background process inside does not hold partctl", "[terminal]") {
    Prison prison;
    Pty pty(in_shell("sleep 24.5 & echo over"));
    CHECK(pty.await("over"));
    CHECK(pty.wait(3s) == 0);
}

TEST_CASE("terminal: in the background it writes, and does not stop", "[terminal]") {
    Prison prison;
    Pty pty({"bash", "--norc", "-i"});
    pty.type("PS1=; echo go$((1+1))\n");
    REQUIRE(pty.await("go2"));
    pty.type(PARTCTL
             " exec cell -- sh -c 'sleep 0.5; echo out$((1+1)); read "
             "word; echo got-$word' &\n");
    REQUIRE(pty.await("out2", 10s));
    pty.type("jobs; echo said$((1+1))\n");
    REQUIRE(pty.await("said2"));
    INFO(pty.shown());
    CHECK(pty.shown().find("Stopped") == std::string::npos);
    // what is typed is the shell's until it gives the terminal away
    pty.type("fg\n");
    REQUIRE(eventually(
        [&] { return (pty.settings().c_lflag & ICANON) == 0 && (pty.settings().c_lflag & ISIG) == 0; }));
    pty.type("hello\n");
    CHECK(pty.await("got-hello"));
    // the shell has the terminal again
    REQUIRE(eventually([&] { return (pty.settings().c_lflag & ISIG) != 0; }));
    pty.type("echo back$((1+1)); exit\n");
    CHECK(pty.await("back2"));
}

TEST_CASE("terminal: nothing can be typed into the caller's", "[terminal][escape]") {
    Prison prison;
    // a shell of the caller's that would run it
    Pty pty({"sh", "-c",
             PARTCTL " exec cell -- /bin/attack types 'echo ow''ned\n'; echo "
                     "back; read line && echo got $line"});
    REQUIRE(pty.await("back"));
    pty.type("mine\n");
    CHECK(pty.await("got mine"));
    CHECK(pty.wait() == 0);
    INFO(pty.shown());
    // nor by the descriptors of something else
    Pty other({"sh", "-c",
               "exec 8<&0; " PARTCTL " exec cell -- sh -c '/bin/attack "
               "descriptors; echo echo x > /proc/1/fd/0; "
               "echo y > /proc/$PPID/fd/0'; echo back"});
    REQUIRE(other.await("back"));
    CHECK(other.shown().find("\r\n8 ") == std::string::npos);
}

TEST_CASE("terminal: signals to partctl reach the program", "[terminal]") {
    Prison prison;
    const auto script =
        "trap 'echo term; exit 3' TERM; trap 'echo hup; exit 4' "
        "HUP; trap 'echo usr; exit 5' USR1; "
        "echo ready; while :; do sleep 0.1; done";
    for (const auto& [number, code] : {std::pair{SIGTERM, 3}, {SIGHUP, 4}, {SIGUSR1, 5}}) {
        INFO(number);
        Pty pty(in_shell(script));
        REQUIRE(pty.await("ready"));
        pty.signal(number);
        CHECK(pty.wait() == code);
        Background piped(in_shell(script));
        REQUIRE(eventually([&] { return piped.written().find("ready") != std::string::npos; }));
        piped.signal(number);
        CHECK(piped.wait() == code);
    }
}

TEST_CASE("terminal: a window that is closed ends what ran in it", "[terminal]") {
    Prison prison;
    Pty pty(in_shell("echo ready; exec sleep 24.7"));
    REQUIRE(pty.await("ready"));
    const pid_t sleeper = await_sleeper(prison, "24.7");
    REQUIRE(sleeper > 0);
    pty.hang_up();
    CHECK(pty.wait(5s) == 128 + SIGHUP);
    CHECK(eventually([&] { return prison.find("sleep 24.7") < 0; }));
}

TEST_CASE("terminal: partctl that is killed leaves nothing behind it at a terminal", "[terminal]") {
    Prison prison;
    Pty pty(in_shell("echo ready; exec sleep 24.8"));
    REQUIRE(pty.await("ready"));
    REQUIRE(await_sleeper(prison, "24.8") > 0);
    pty.signal(SIGKILL);
    CHECK(pty.wait() == 128 + SIGKILL);
    CHECK(eventually([&] { return prison.find("sleep 24.8") < 0; }));
}

TEST_CASE("terminal: environment and place are the partition's", "[terminal]") {
    Prison prison;
    REQUIRE(prison.exec({"sh", "-c", "mkdir /home; echo root:x:0:0:root:/home:/bin/sh > /etc/passwd"}).code ==
            0);
    const auto with = [](const std::string& rest) {
        return run({"env", "-i", "SECRET=1", "HOME=/root/of/host", "TERM=vt52", "LANG=C.UTF-8",
                    "PATH=/sbin:/bin:/usr/bin", "sh", "-c", rest});
    };
    const auto seen = with(PARTCTL " exec cell -- env | sort");
    INFO(seen.text());
    CHECK(seen.out ==
          "HOME=/home\nLANG=C.UTF-8\nLOGNAME=root\nPATH=/usr/local/"
          "sbin:/usr/local/bin:/usr/sbin:/usr/bin:/"
          "sbin:/bin\n"
          "SHELL=/bin/sh\nTERM=vt52\nUSER=root\ncontainer=partd\n");
    CHECK(with(PARTCTL " exec cell -- pwd").out == "/\n");
    const auto shell = with("echo 'pwd; echo $HOME $SECRET $0; umask' | " PARTCTL " shell cell");
    INFO(shell.text());
    CHECK(shell.out.starts_with("/home\n/home "));
    CHECK(shell.out.find("/bin/sh") != std::string::npos);
    CHECK(with("umask 077; " PARTCTL " exec cell -- sh -c umask").out == "0077\n");
    // a home or a shell that is not there
    REQUIRE(prison.exec({"sh", "-c", "echo root:x:0:0:root:/gone:/bin/gone > /etc/passwd"}).code == 0);
    CHECK(with("echo pwd | " PARTCTL " shell cell").out == "/\n");
}

TEST_CASE("terminal: kill reaches all but partd-init", "[terminal][kill]") {
    Prison prison;
    Background first(exec({"sleep", "24.1"}));
    Background second(
        in_shell("trap 'exit 6' USR1; sleep 24.2 & echo ready; "
                 "while :; do sleep 0.1; done"));
    REQUIRE(await_sleeper(prison, "24.1") > 0);
    REQUIRE(await_sleeper(prison, "24.2") > 0);
    REQUIRE(eventually([&] { return second.written().find("ready") != std::string::npos; }));
    CHECK(prison.sandbox.partctl({"kill", "cell", "USR1"}).code == 0);
    CHECK(first.wait() == 128 + SIGUSR1);
    CHECK(second.wait() == 6);
    CHECK(prison.find("sleep 24.2") < 0);
    CHECK(prison.exec({"cat", "/proc/1/comm"}).out == "partd-init\n");
    CHECK(prison.sandbox.diff() == 0);
    for (const char* name : {"", "TERM", "SIGTERM", "15"}) {
        INFO(name);
        Background third(exec({"sleep", "24.3"}));
        REQUIRE(await_sleeper(prison, "24.3") > 0);
        CHECK(prison.sandbox
                  .partctl(*name == '\0' ? Arguments{"kill", "cell"} : Arguments{"kill", "cell", name})
                  .code == 0);
        CHECK(third.wait() == 128 + SIGTERM);
    }
    for (const char* name : {"NOSUCH", "0", "-1", "999", "", "term x"}) {
        INFO(name);
        CHECK(prison.sandbox.partctl({"kill", "cell", "--", name}).code == 2);
    }
    CHECK(prison.sandbox.partctl({"kill", "nobody"}).code == 2);
    CHECK(prison.sandbox.diff() == 0);
}

TEST_CASE("terminal: freeze and thaw", "[terminal][freeze]") {
    Prison prison;
    Background counter(
        in_shell("i=0; while :; do i=$((i+1)); echo $i > "
                 "/tmp/count.new; mv /tmp/count.new /tmp/count; "
                 "sleep 0.02; done"));
    const auto count = [&] { return prison.exec({"cat", "/tmp/count"}).out; };
    REQUIRE(eventually([&] { return !count().empty(); }));
    const auto frozen = prison.sandbox.partctl({"freeze", "cell"});
    INFO(frozen.text());
    if (frozen.code != 0) {
        PARTD_CANNOT_RUN("no freezer here: " + frozen.err);
    }
    // nothing inside moves, and nobody enters to wait with it for ever
    const pid_t init = prison.find("partd-init");
    REQUIRE(init > 0);
    const std::string file = "/proc/" + std::to_string(init) + "/root/tmp/count";
    std::string before = read_file(file);
    CHECK(remains([&] { return read_file(file) == before; }, 500ms));
    Background held(Arguments{"env", kNoLeaks, PARTCTL, "exec", "cell", "--", "cat", "/tmp/count"});
    CHECK(held.wait(2s) == 126);
    CHECK(held.written().find("thaw") != std::string::npos);
    CHECK(prison.sandbox.partctl({"thaw", "cell"}).code == 0);
    before = count();
    CHECK(eventually([&] { return count() != before; }));
    // a frozen one can be removed
    CHECK(prison.sandbox.partctl({"freeze", "cell"}).code == 0);
    prison.sandbox.remove_config("cell.toml");
    const auto removed = prison.sandbox.partctl({"apply", "--allow-delete"});
    INFO(removed.text());
    CHECK(removed.code == 0);
    CHECK(eventually([&] {
        const auto status = run({"cat", "/proc/" + std::to_string(init) + "/status"});
        return status.code != 0 || status.out.find("State:\tZ") != std::string::npos;
    }));
}
