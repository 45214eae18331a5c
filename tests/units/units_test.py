#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The files of units/, installed below a directory of the test's own, and judged by the programs that read them. Needs
root; nothing of the machine is changed.

usage: units_test.py CMAKE BUILD_DIRECTORY [TEST…]
"""

import configparser
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

CMAKE = BUILD = None
UNITS = "usr/lib/systemd/system"
SERVICE = "org.partd1"
# What systemd-analyze(1) gives, times ten. units/README.md says what keeps it from less.
EXPOSURE, HARDENED_EXPOSURE, NETWORK_EXPOSURE = 90, 61, 42
# Options that give a service mounts of its own: the names of namespaces would not be seen on the host. And those that
# every program of a partition would inherit.
MOUNTS = re.compile(
    r"^(Protect(System|Home|Proc|Hostname|Kernel\w+|ControlGroups)|Private(Tmp|Devices|Mounts|Network|Users|IPC)|ProcSubset"
    r"|(Read\w+|Inaccessible|Exec|NoExec|Bind\w*)Paths|Root\w+|TemporaryFileSystem|MountFlags|MountAPIVFS|DynamicUser"
    r"|\w*Image\w*)=", re.M)
INHERITED = re.compile(
    r"^(SystemCall\w+|Restrict\w+|NoNewPrivileges|LockPersonality|MemoryDenyWriteExecute|ProtectClock|SecureBits"
    r"|AmbientCapabilities|User|Group|UMask|Nice|CPU\w+Policy|Limit(?!NOFILE)\w+)=", re.M)


def run(*program, **options):
    return subprocess.run([str(word) for word in program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=60, **options)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="partd-units-")
        cls.addClassCleanup(directory.cleanup)
        cls.root = pathlib.Path(directory.name)
        cls.root.chmod(0o755)
        result = run(CMAKE, "--install", BUILD, env=os.environ | {"DESTDIR": directory.name})
        if result.returncode != 0:
            raise AssertionError(result.stdout)
        cls.installed = [path.relative_to(cls.root) for path in cls.root.rglob("*") if path.is_file()]

    def find(self, name, under=""):
        """The one installed file of that name."""
        found = [path for path in self.installed if path.name == name and under in str(path)]
        self.assertEqual(len(found), 1, f"{name}: {found}")
        return self.root / found[0]

    def must(self, *program, **options):
        result = run(*program, **options)
        self.assertEqual(result.returncode, 0, f"{program}: {result.stdout}")
        return result.stdout

    def settings(self, path):
        """The file without its comments."""
        return "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))


class Places(Installed):
    def test_nothing_would_replace_the_link_lib(self):
        if os.path.islink("/lib"):
            self.assertFalse((self.root / "lib").exists())

    def test_every_file_may_be_read(self):
        for path in self.installed:
            with self.subTest(path):
                mode = (self.root / path).stat().st_mode & 0o777
                self.assertIn(mode, (0o644, 0o755))

    def test_no_place_holder_is_left(self):
        for path in self.installed:
            if str(path).startswith("usr/lib"):
                with self.subTest(path):
                    self.assertNotRegex((self.root / path).read_text(), r"@(SBINDIR|CMAKE)")


    def test_nothing_may_be_written_by_others_whatever_the_umask(self):
        with tempfile.TemporaryDirectory() as root:
            self.must(CMAKE, "--install", BUILD, env=os.environ | {"DESTDIR": root}, umask=0)
            self.assertEqual(self.must("find", root, "-mindepth", "1", "-perm", "/022"), "")


class Units(Installed):
    def setUp(self):
        # systemd-analyze looks whether the programs of a unit are there: put them where it looks.
        self.units = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for path in self.find("partd.service", UNITS).parent.iterdir():
            text = path.read_text().replace("ExecStart=/", f"ExecStart={self.root}/")
            (self.units / path.name).write_text(text)
        self.environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{self.units}:"}

    def verify(self, *units):
        return run("systemd-analyze", "verify", "--man=no", *units, env=self.environment)

    def test_verify(self):
        result = self.verify("partd.service", "partd.socket", "partd-ready@web.target", "partd-wait@web-db.service")
        ours = [line for line in result.stdout.splitlines() if "partd" in line]
        self.assertEqual((result.returncode, ours), (0, []))

    def test_verify_finds_a_mistake(self):
        unit = self.units / "partd.service"
        unit.write_text(unit.read_text() + "\n[Service]\nKillMood=process\n")
        self.assertIn("KillMood", self.verify("partd.service").stdout)

    def test_no_option_that_breaks_or_spreads(self):
        unit = self.settings(self.find("partd.service", UNITS))
        self.assertEqual(MOUNTS.findall(unit), [])
        self.assertEqual(INHERITED.findall(unit), [])
        for name in ("hardened.conf", "network-only.conf"):
            self.assertEqual(MOUNTS.findall(self.settings(self.find(name))), [])
        # Neighbour discovery of the partitions would end with it (units/systemd/hardened.conf).
        for name in ("partd.service", "hardened.conf", "network-only.conf"):
            self.assertNotIn("IPAddressDeny", self.settings(self.find(name)))

    def exposure(self, *threshold):
        return run("systemd-analyze", "security", "--offline=true", "--no-pager", *threshold, "partd.service",
                   env=self.environment)

    def test_exposure(self):
        result = self.exposure(f"--threshold={EXPOSURE}")
        self.assertEqual(result.returncode, 0, result.stdout.splitlines()[-1:])

    def test_exposure_with_hardened_conf(self):
        drop_ins = self.units / "partd.service.d"
        drop_ins.mkdir()
        shutil.copy(self.find("hardened.conf"), drop_ins)
        self.assertEqual(self.verify("partd.service").returncode, 0)
        result = self.exposure(f"--threshold={HARDENED_EXPOSURE}")
        self.assertEqual(result.returncode, 0, result.stdout.splitlines()[-1:])
        shutil.copy(self.find("network-only.conf"), drop_ins)
        self.assertEqual(self.verify("partd.service").returncode, 0)
        result = self.exposure(f"--threshold={NETWORK_EXPOSURE}")
        self.assertEqual(result.returncode, 0, result.stdout.splitlines()[-1:])

    def test_the_bounded_capabilities_are_known(self):
        for name in ("partd.service", "hardened.conf", "network-only.conf"):
            for capability in re.findall(r"CAP_[A-Z_]+", self.settings(self.find(name))):
                self.must("capsh", f"--supports={capability.lower()}")

    def test_ready_before_network_target(self):
        unit = self.settings(self.find("partd.service", UNITS))
        self.assertRegex(unit, r"(?m)^Before=.*\bnetwork\.target\b")
        self.assertRegex(unit, r"(?m)^Type=notify$")

    def test_preset_enables_the_service_and_the_socket(self):
        self.must("systemctl", f"--root={self.root}", "preset", "partd.service", "partd.socket")
        enabled = self.root / "etc/systemd/system"
        for link in ("multi-user.target.wants/partd.service", "sockets.target.wants/partd.socket",
                     f"dbus-{SERVICE}.service"):
            self.assertTrue((enabled / link).is_symlink(), link)


class Files(Installed):
    def test_tmpfiles(self):
        configuration = self.find("partd.conf", "tmpfiles.d")
        with tempfile.TemporaryDirectory() as root:
            self.must("systemd-tmpfiles", f"--root={root}", "--create", configuration)
            for path, mode in (("etc/partd", 0o755), ("run/partd", 0o755), ("var/lib/partd", 0o711)):
                self.assertEqual((pathlib.Path(root) / path).stat().st_mode & 0o7777, mode)

    def test_sysusers(self):
        with tempfile.TemporaryDirectory() as root:
            (pathlib.Path(root) / "etc").mkdir()
            self.must("systemd-sysusers", f"--root={root}", self.find("partd.conf", "sysusers.d"))
            self.assertRegex((pathlib.Path(root) / "etc/group").read_text(), r"(?m)^partd:")

    def test_catalog(self):
        text = self.find("partd.catalog").read_text()
        identifiers = re.findall(r"(?m)^-- ([0-9a-f]{32})$", text)
        self.assertEqual(len(identifiers), 8)
        self.assertEqual(len(set(identifiers)), 8)
        with tempfile.TemporaryDirectory() as root:
            for directory in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
                (pathlib.Path(root) / directory).mkdir(parents=True)
            shutil.copy(self.find("partd.catalog"), pathlib.Path(root) / "usr/lib/systemd/catalog")
            self.must("journalctl", f"--root={root}", "--update-catalog")
            listed = self.must("journalctl", f"--root={root}", "--list-catalog")
            self.assertEqual(sorted(line.split()[0] for line in listed.splitlines()), sorted(identifiers))

    def test_networks_leave_our_links_alone(self):
        for name, section, key, value in (("10-partd.network", "Link", "Unmanaged", "yes"),
                                          ("10-partd.network", "Match", "Name", "pv-*"),
                                          ("10-partd.link", "Match", "OriginalName", "pv-*"),
                                          ("10-partd.link", "Link", "MACAddressPolicy", "none"),
                                          ("10-partd-named.network", "Match", "Property", "PARTD_HOST_END=1"),
                                          ("10-partd-named.network", "Link", "Unmanaged", "yes"),
                                          ("10-partd-named.link", "Match", "Property", "PARTD_HOST_END=1"),
                                          ("10-partd-named.link", "Link", "MACAddressPolicy", "none"),
                                          ("10-partd.conf", "keyfile", "unmanaged-devices+", "interface-name:pv-*")):
            parser = configparser.ConfigParser(delimiters=("=",))
            parser.optionxform = str
            parser.read(self.find(name))
            self.assertEqual(parser[section][key], value)


class Udev(Installed):
    def test_the_rules_know_the_group_in_which_host_ends_are_made(self):
        header = (pathlib.Path(__file__).parents[2] / "partd/kinds/marks.h").read_text()
        group = re.search(r"kHostEndGroup = (\d+);", header).group(1)
        self.assertIn(f'ATTR{{netdev_group}}=="{group}", ', self.settings(self.find("10-partd.rules", "rules.d")))

    def test_they_come_before_those_that_name_links_and_run_programs(self):
        self.assertLess("10-partd.rules", "75-net-description.rules")
        rules = self.settings(self.find("10-partd.rules", "rules.d"))
        self.assertRegex(rules, r'(?m)^ENV\{NM_UNMANAGED\}="1"$')
        # Finally, so that later rules add none.
        self.assertRegex(rules, r'(?m)^RUN\{builtin\}:=')


def bus_call(serial, member, signature="", body=b""):
    """A message to the bus itself, as the D-Bus Specification has it."""
    def field(code, kind, text):
        size = struct.pack("<B" if kind == "g" else "<I", len(text))
        return bytes([code, 1]) + kind.encode() + b"\0" + size + text.encode() + b"\0"

    fields = b""
    bus = "org.freedesktop.DBus"
    for each in ((1, "o", "/org/freedesktop/DBus"), (2, "s", bus), (3, "s", member), (6, "s", bus), (8, "g", signature)):
        fields += b"\0" * (-len(fields) % 8) + field(*each)
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields)) + fields
    return head + b"\0" * (-len(head) % 8) + body


def own_name(path, name):
    """A connection that owns the name, and never answers."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    connection.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    connection.recv(4096)
    body = struct.pack("<I", len(name)) + name.encode() + b"\0"
    body += b"\0" * (-len(body) % 4) + struct.pack("<I", 0)
    connection.sendall(b"BEGIN\r\n" + bus_call(1, "Hello") + bus_call(2, "RequestName", "su", body))
    return connection


class Bus(Installed):
    """A bus of its own with our policy."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.place = pathlib.Path(directory.name)
        self.place.chmod(0o755)
        self.address = f"unix:path={self.place}/bus"
        (self.place / "bus.conf").write_text(f"""<busconfig><type>system</type><listen>{self.address}</listen>
            <policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
            <allow send_type="signal"/><allow send_requested_reply="true"/><allow receive_type="method_call"/>
            <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
            <allow send_destination="org.freedesktop.DBus"/></policy>
            <include>{self.find(SERVICE + '.conf')}</include></busconfig>""")
        self.daemon = subprocess.Popen(["dbus-daemon", "--nofork", "--print-address", f"--config-file={self.place}/bus.conf"],
                                       stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.daemon.stdout.close)
        self.addCleanup(self.daemon.wait)
        self.addCleanup(self.daemon.terminate)
        self.assertTrue(self.daemon.stdout.readline(), "dbus-daemon did not start")

    def call(self, *words, as_nobody=False):
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if as_nobody else ()
        return run(*prefix, "busctl", f"--address={self.address}", "--timeout=1", "call", *words).stdout

    def own(self, **options):
        return self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", SERVICE,
                         "0", **options)

    def ask(self, interface, member, *words, **options):
        return self.call(SERVICE, "/org/partd1", interface, member, *words, **options)

    def serve(self):
        connection = own_name(self.place / "bus", SERVICE)
        self.addCleanup(connection.close)
        in_queue = "u 2\n"  # behind who has it
        self.assertTrue(any(self.own() == in_queue for _ in range(50)))

    def test_root_alone_may_own_the_name(self):
        self.assertEqual(self.own(), "u 1\n")
        self.assertRegex(self.own(as_nobody=True), "(?i)access denied|not allowed")

    def test_everybody_may_ask(self):
        self.serve()
        for user in (False, True):
            for interface in ("org.partd1.Manager", "org.freedesktop.DBus.Introspectable"):
                with self.subTest(interface, as_nobody=user):
                    # It was delivered to who never answers.
                    self.assertRegex(self.ask(interface, "Status", as_nobody=user), "(?i)timed out")

    def test_not_everything(self):
        self.serve()
        words = ("org.freedesktop.DBus.Properties", "Set", "ssv", "org.partd1.Manager", "X", "s", "y")
        self.assertRegex(self.ask(*words, as_nobody=True), "(?i)access denied")
        self.assertRegex(self.ask("org.example", "X", as_nobody=True), "(?i)access denied")

    def test_activation(self):
        parser = configparser.ConfigParser()
        parser.optionxform = str
        parser.read(self.find(SERVICE + ".service"))
        section = parser["D-BUS Service"]
        self.assertEqual((section["Name"], section["User"]), (SERVICE, "root"))
        # Only where partd.service is enabled does a call start it.
        self.assertIn(f"Alias={section['SystemdService']}\n", self.find("partd.service", UNITS).read_text())


class Polkit(Installed):
    def test_actions(self):
        path = self.find(SERVICE + ".policy")
        self.must("xmllint", "--noout", "--nonet", path)
        actions = {}
        for action in xml.etree.ElementTree.parse(path).getroot().iter("action"):
            self.assertTrue(action.findtext("description") and action.findtext("message"))
            actions[action.get("id")] = [action.findtext(f"defaults/allow_{who}") for who in ("any", "inactive", "active")]
        # Sitting at the machine gives no right: looking costs the daemon's time, too.
        asked = ["auth_admin_keep"] * 3
        self.assertEqual(actions, {f"{SERVICE}.{action}": asked for action in ("read", "apply", "enter", "manage")} |
                         {f"{SERVICE}.apply-text": ["auth_admin"] * 3})


if __name__ == "__main__":
    CMAKE, BUILD = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
