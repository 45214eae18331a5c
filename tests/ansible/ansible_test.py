#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Ansible collection by ansible-playbook, against a throw-away host.

usage: ansible_test.py PARTCTL [TEST…]
"""

import json
import pathlib
import re
import shutil
import sys
import unittest

import host
from host import CONFIG, daemon, partctl, play


def web(port=8080, **more):
    """A partition as data."""
    return {"partition": {"web": {
        "link": {"eth0": {"address": ["10.1.1.1/24"], "peer": {"address": ["10.1.1.2/24"]}}},
        "nat": {"forward": [{"listen": f"tcp/{port}", "to": "10.1.1.1:80"}]}, **more,
    }}}  # fmt: skip


TENANTS = """[template.tenant]
description = "of {name}"

[partition.acme]
extends = "tenant"
"""


def role(files, **more):
    variables = {"partd_files": files, "partd_purge": True, **more}
    return [{"name": "partd", "import_role": {"name": "partd.host.partd"}, "vars": variables}]


def config(task, ignore_errors=False, /, **arguments):
    return {"name": task, "partd.host.partd_config": arguments, "register": "written", "ignore_errors": ignore_errors}


def apply(task="apply", ignore_errors=False, /, **arguments):
    return {"name": task, "partd.host.partd_apply": arguments, "register": "applied", "ignore_errors": ignore_errors}


def generations():
    return json.loads(partctl("history", "--json").stdout)["generations"]


class HostTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        host.reset()

    def assert_well(self, run):
        self.assertEqual(run.code, 0, run.text)
        return run

    def assert_as_declared(self):
        difference = partctl("diff")
        self.assertEqual(difference.returncode, 0, difference.stdout + difference.stderr)


class Repeated(HostTest):
    """--check says what the run does, the run does it, and the second run does nothing."""

    FILES = [{"name": "web", "config": web()}, {"name": "tenants", "content": TENANTS}]

    def check_run_run(self, files):
        dry = self.assert_well(play(role(files), "--check", "--diff"))
        self.assertEqual(sorted(path.name for path in CONFIG.iterdir()), ["old.toml"])
        wet = self.assert_well(play(role(files), "--diff"))
        self.assertEqual(dry.told(), wet.told())
        self.assertEqual(len(wet.changed()), 2, wet.text)
        self.assertIn("+ netns web  /etc/partd/web.toml:", wet.text)
        self.assertIn("- partition old", wet.text)
        self.assertIn("+[partition.web.link.eth0]", wet.text)
        self.assertEqual(sorted(path.name for path in CONFIG.iterdir()), ["tenants.toml", "web.toml"])
        self.assert_as_declared()
        again = self.assert_well(play(role(files), "--diff"))
        self.assertEqual(again.changed(), [], again.text)

    def test_without_partd(self):
        (CONFIG / "old.toml").write_text("[partition.old]\n")
        self.assertEqual(partctl("apply").returncode, 0)
        self.check_run_run(self.FILES)

    def test_with_partd(self):
        (CONFIG / "old.toml").write_text("[partition.old]\n")
        with daemon():
            host.until(lambda: len(generations()) == 1)
            self.check_run_run(self.FILES)
            self.assertEqual(len(generations()), 2)


class Wrong(HostTest):
    """What cannot be done is refused before anything is changed, with file and line, and alike with --check."""

    def refused(self, tasks):
        """Runs tasks that all fail, the first ones also with --check; returns each one's message by its name."""
        for task in tasks:
            task["ignore_errors"] = True
        before = {path: path.read_text() for path in CONFIG.iterdir()}
        wet = play(tasks)
        # What is wrong with the arguments is found before anything is asked of the host.
        dry = play(tasks[:5], "--check")
        self.assertEqual({path: path.read_text() for path in CONFIG.iterdir()}, before)
        self.assertEqual(len(wet.tasks), len(tasks), wet.text)
        for task in tasks:
            self.assertEqual(wet.named(task["name"])["outcome"], "failed", task["name"])
            self.assertFalse(wet.result(task["name"]).get("changed"))
        self.assertEqual(dry.told(), wet.told()[:5])
        return {task["name"]: wet.result(task["name"])["msg"] for task in tasks}

    def test_files(self):
        (CONFIG / "tenants.toml").write_text(TENANTS)
        elsewhere = host.SCRATCH / "broken"
        elsewhere.mkdir()
        (elsewhere / "web.toml").write_text("[partition.web\n")
        typo = web(description="w")
        typo["partition"]["web"]["link"]["eth0"]["adress"] = []
        said = self.refused([
            config("wrong key", name="web", config=typo),
            config("wrong type", name="web", config=web(cgroup={"memory.max": True})),
            config("a text that does not parse", name="web", content="[partition.web\n"),
            config("a template that does not parse", name="tenants", content=TENANTS.replace('"of {name}"', '"of {name')),
            config("a template of another file", name="web", content='[partition.web]\nextends = "tenent"\n'),
            config("a template that goes", name="tenants", content='[partition.acme]\nextends = "tenant"\n'),
            config("declared twice", name="web", content="# first\n[partition.acme]\n"),
            config("two files", files=[{"name": "a", "content": "[partition.a]\nx = 1\n"}, {"name": "b", "content": "y = 1\n"}]),
            config("null in a list", name="web", config={"partition": {"web": {"namespaces": [None]}}}),
            config("no such source", name="web", src="nowhere.toml"),
            config("two sources", name="web", content="", config={}),
            config("no source", name="web"),
            config("a path", name="../web", content=""),
            config("a mode that partd refuses", name="web", content="", mode="0666"),
            config("a mode that YAML read", name="web", content="", mode=0o644),
            config("a text to merge", name="web", content="", state="merged"),
            config("nothing to keep", files=[], state="overridden"),
            config("merge into what does not parse", name="web", state="merged", directory=str(elsewhere), config=web()),
        ])  # fmt: skip
        self.assertIn('/etc/partd/web.toml:8:1: error: unknown key "adress" in link; did you mean "address"?', said["wrong key"])
        self.assertIn("\n  8 | adress = []", said["wrong key"])
        self.assertRegex(said["wrong type"], r"web\.toml:\d+:14: error: .*\n  \d+ \| memory\.max = true")
        self.assertIn("/etc/partd/web.toml:1:15: error: ", said["a text that does not parse"])
        self.assertIn("/etc/partd/tenants.toml:2:15: error: ", said["a template that does not parse"])
        self.assertRegex(said["a template of another file"], r"web\.toml:2:11: error: .*there is no .template\.tenent.")
        self.assertRegex(said["a template that goes"], r"tenants\.toml:2:\d+: error: .*tenant")
        self.assertIn("acme", said["declared twice"])
        self.assertRegex(said["declared twice"], r"(web\.toml:2|tenants\.toml:4)")
        self.assertRegex(said["two files"], r"(?s)a\.toml:2:1: error: .*b\.toml:1:1: error: ")
        self.assertIn("partition.web.namespaces: null has no form in TOML", said["null in a list"])
        self.assertIn("nowhere.toml", said["no such source"])
        self.assertIn("either content or config", said["two sources"])
        self.assertIn("one of content, config and src is missing", said["no source"])
        self.assertIn("has no slash", said["a path"])
        self.assertIn("nobody else to write it", said["a mode that partd refuses"])
        self.assertIn("quote the mode", said["a mode that YAML read"])
        self.assertIn("only config can be merged", said["a text to merge"])
        self.assertIn("would remove everything", said["nothing to keep"])
        self.assertIn("broken/web.toml: ", said["merge into what does not parse"])

    def test_without_partctl(self):
        said = self.refused([
            config("config", name="web", config=web(), partctl="/nowhere/partctl"),
            apply("apply", partctl="/nowhere/partctl"),
            {"name": "exec", "partd.host.partd_exec": {"name": "web", "argv": ["true"], "partctl": "/nowhere/partctl"}},
        ])  # fmt: skip
        for message in said.values():
            self.assertEqual(message, "partctl is not at /nowhere/partctl, which the option partctl names.")
        bare = play([
            config("config", True, name="web", config=web()),
            {"name": "info", "partd.host.partd_info": {}},
            config("unchecked", name="web", config=web(), validate=False),
        ], environment={"PATH": "/usr/bin:/bin"})  # fmt: skip
        self.assertIn("partctl is not installed on this host", bare.result("config")["msg"])
        self.assertFalse(bare.result("info")["installed"])
        self.assertTrue(self.assert_well(bare).result("unchecked")["changed"])

    def test_delete_limit(self):
        files = [{"name": f"t{number}", "content": f"[partition.t{number}]\n"} for number in range(8)]
        held = pathlib.Path("/run/partd/held")
        with daemon():
            self.assert_well(play(role(files)))
            few = role(files[:2])
            dry, wet = play(few, "--check"), play(few)
            for run, words in ((dry, "6 of 8 partitions and slices would be removed"), (wet, "more than the delete limit of 50 %")):
                self.assertEqual(run.code, 2, run.text)
                self.assertIn(words, run.result("Make the host as declared")["msg"])
            self.assertIn("the files stay paused", wet.result("Make the host as declared")["msg"])
            self.assertTrue(held.exists())
            self.assertEqual(len(json.loads(partctl("status", "--json").stdout)["partitions"]), 8)
            allowed = role(files[:2], partd_allow_delete=True)
            dry, wet = play(allowed, "--check", "--diff"), play(allowed, "--diff")
            self.assertEqual(self.assert_well(dry).told(), self.assert_well(wet).told())
            self.assertEqual(wet.changed(), ["Make the host as declared"])
            self.assertFalse(held.exists())
            self.assert_as_declared()

    def test_failure_of_a_change(self):
        broken = web(init={"command": ["/nowhere"]}, namespaces=["net", "pid"])
        run = play([config("write", name="web", config=broken), apply()])
        self.assertEqual(run.code, 2)
        self.assertRegex(run.result("apply")["msg"], r"/etc/partd/web\.toml:\d+: error: .*nowhere")
        self.assertEqual(run.result("apply")["errors"][0]["file"], "/etc/partd/web.toml")


    def test_conflict(self):
        host.must("ip", "link", "add", "pv-web", "type", "veth", "peer", "name", "foreign")
        self.addCleanup(host.must, "ip", "link", "del", "pv-web")
        tasks = role([{"name": "web", "config": web()}])
        dry, wet = play(tasks, "--check", "--diff"), play(tasks, "--diff")
        for run in (dry, wet):
            self.assertEqual(run.code, 2, run.text)
            self.assertEqual(run.result("Make the host as declared")["rc"], 7 if run is wet else 1)
            self.assertRegex(run.result("Make the host as declared")["msg"], r"/etc/partd/web\.toml:\d+: conflict: link web/eth0: .*pv-web")
        self.assertEqual(dry.changed(), wet.changed())

    def test_directory_that_others_may_write(self):
        CONFIG.chmod(0o775)
        self.addCleanup(CONFIG.chmod, 0o755)
        said = self.refused([config("write", name="web", content="[partition.web]\n")])
        self.assertIn("/etc/partd:1:1: error: the directory may be written by others", said["write"])

    def test_as_another_user(self):
        task = config("write", name="web", content="")
        task["vars"] = {"ansible_python_interpreter": f"/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups {sys.executable}"}
        run = play([task])
        self.assertIn("the module needs root on the host", run.result("write")["msg"])


class Together(HostTest):
    """Two controllers at once, and partd beside them."""

    def test_two_playbooks(self):
        (CONFIG / "shared.toml").write_text("[template.tenant]\ndescription = \"t\"\n")
        def tasks(name):
            return [config("write", files=[{"name": f"{name}{number}", "content": f'[partition.{name}{number}]\nextends = "tenant"\n'}
                                           for number in range(5)], hold=True),
                    apply(confirm="20s")]  # fmt: skip
        with daemon():
            both = [host.start(tasks(name)) for name in ("a", "b")]
            for run in [host.Run(*each) for each in both]:
                self.assert_well(run)
            self.assertEqual(len(json.loads(partctl("status", "--json").stdout)["partitions"]), 10)
            self.assert_as_declared()
            self.assertFalse(pathlib.Path("/run/partd/held").exists())
            for name in ("a", "b"):
                self.assertEqual(self.assert_well(play(tasks(name))).changed(), [])

    def test_same_partition_twice(self):
        both = [host.start([config("write", name=name, content="[partition.web]\n")]) for name in ("a", "b")]
        runs = [host.Run(*each) for each in both]
        self.assertEqual(sorted(run.code for run in runs), [0, 2], runs[0].text + runs[1].text)
        self.assertEqual(len(list(CONFIG.glob("*.toml"))), 1)

    def test_partd_takes_up_what_is_not_held(self):
        with daemon():
            files = [{"name": f"t{number}", "content": f"[partition.t{number}]\n"} for number in range(5)]
            self.assert_well(play([config("write", files=files)]))
            host.until(lambda: len(json.loads(partctl("status", "--json").stdout)["partitions"]) == 5)
            self.assertEqual([len(each["files"]) for each in generations()], [0, 5])
            self.assert_as_declared()


class Confirmed(HostTest):
    """The change stays if a new connection stands, and goes otherwise."""

    CUT = "[partition.cut.link.eth0]\naddress = [\"10.2.0.1/24\"]\npeer = { address = [\"10.2.0.2/24\"] }\n"

    def partitions(self):
        return sorted(each["name"] for each in json.loads(partctl("status", "--json").stdout)["partitions"]
                      if each["state"] != "missing")  # fmt: skip

    def test_confirmed(self):
        with daemon():
            run = self.assert_well(play([config("write", name="web", config=web(), hold=True), apply(confirm="60s")]))
            self.assertTrue(run.result("apply")["confirmed"])
            self.assertFalse(pathlib.Path("/var/lib/partd/confirm").exists())
            self.assertEqual(self.partitions(), ["web"])
            again = self.assert_well(play([config("write", name="web", config=web(), hold=True), apply(confirm="60s")]))
            self.assertEqual(again.changed(), [])

    def test_lost(self):
        (CONFIG / "web.toml").write_text("[partition.web]\n")
        with daemon():
            host.until(lambda: self.partitions() == ["web"])
            tasks = [config("write", name="cut", content=self.CUT, hold=True), apply(confirm="2s")]
            run = play(tasks, connection="cut")
            self.assertEqual(run.code, 2, run.text)
            self.assertEqual(self.partitions(), ["web"])
            self.assertFalse(pathlib.Path("/var/lib/partd/confirm").exists())
            result = run.result("apply")
            self.assertTrue(result["reverted"])
            self.assertFalse(result["changed"])
            self.assertIn("partd went back to what was there before", result["msg"])
            tasks[1] = apply(confirm="50s")
            again = self.assert_well(play(tasks, connection="cut", environment={"CUT": "once"}))
            self.assertEqual(again.changed(), ["apply"])
            self.assertTrue(again.result("apply")["confirmed"])
            self.assertIn("The connection was lost during the change", again.result("apply")["warnings"][0])
            self.assertEqual(self.partitions(), ["cut", "web"])
            self.assert_as_declared()

    def test_lost_by_ssh(self):
        """The host gets the controller's address for its own: nothing comes back, and no connection is ended."""
        with daemon(), host.controller_beside() as options:
            def tasks(address, confirm):
                link = {"eth0": {"address": ["10.1.1.1/24"], "peer": {"address": [address]}}}
                return [config("write", name="web", config={"partition": {"web": {"link": link}}}, hold=True, partctl=shutil.which("partctl")),
                        apply(confirm=confirm, partctl=shutil.which("partctl"))]  # fmt: skip

            good = self.assert_well(play(tasks("10.1.1.2/24", "50s"), **options))
            self.assertTrue(good.result("apply")["confirmed"])
            lost = play(tasks(host.CONTROLLER + "/24", "4s"), **options)
            self.assertEqual(lost.code, 2, lost.text)
            self.assertTrue(lost.result("apply")["reverted"], lost.text)
            self.assertIn("10.1.1.2", host.output("ip", "-o", "address", "show", "dev", "pv-web"))
            self.assertFalse(pathlib.Path("/var/lib/partd/confirm").exists())

    def test_part_that_failed(self):
        broken = web(init={"command": ["/nowhere"]}, namespaces=["net", "pid"])
        with daemon():
            run = play([config("write", name="web", config=broken, hold=True), apply(confirm="60s")])
            self.assertEqual(run.code, 2)
            self.assertTrue(run.result("apply")["reverted"], run.text)
            self.assertIn("nowhere", run.result("apply")["msg"])
            self.assertEqual(self.partitions(), [])
            self.assertFalse(pathlib.Path("/var/lib/partd/confirm").exists())

    def test_confirmed_by_a_task(self):
        with daemon():
            run = self.assert_well(play([
                config("write", name="web", config=web(), hold=True),
                apply(confirm="60s", confirm_by="task"),
                apply("nothing else meanwhile", True, patience="100ms"),
                apply("keep", state="confirmed"),
                apply("keep again", state="confirmed"),
            ]))  # fmt: skip
            self.assertTrue(run.result("apply")["waits"])
            self.assertIn("an earlier apply waits to be confirmed", run.result("nothing else meanwhile")["msg"])
            self.assertEqual(run.changed(), ["write", "apply", "keep"])

    def test_without_partd(self):
        tasks = [config("write", name="web", config=web()), apply(confirm="60s")]
        for options in (["--check"], []):
            run = play(tasks, *options)
            self.assertEqual(run.code, 2, run.text)
            self.assertRegex(run.result("apply")["msg"], "partd")
            self.assertEqual(run.result("apply")["rc"], 4)
            self.assertEqual(self.partitions(), [])


class States(HostTest):
    """The other states and modules, and the details of a file."""

    def test_states(self):
        (CONFIG / "web.toml").write_text('# mine\n[partition.web]\ndescription = "w"\ncgroup.memory.max = "1G"\n')
        merge = {"partition": {"web": {"description": None, "cgroup": {"memory.max": "2G"}, "hostname": "h"}}}
        tasks = [
            config("merge", name="web", state="merged", config=merge, backup=True),
            config("merge again", name="web", state="merged", config=merge),
            config("gather", state="gathered"),
            config("render", name="x", state="rendered", config={"partition": {"x": {"sysctl": {"net.ipv4.ip_forward": 1}}}}),
            config("mask", name="vendor", content=""),
            config("remove", name="web", state="absent"),
            config("remove again", name="web", state="absent"),
            config("elsewhere", name="y", content="[partition.y]\n", directory="/run/elsewhere"),
        ]
        run = self.assert_well(play(tasks, "--diff"))
        self.assertEqual(run.changed(), ["merge", "mask", "remove", "elsewhere"])
        self.assertEqual((CONFIG / "vendor.toml").readlink(), pathlib.Path("/dev/null"))
        self.assertEqual(
            run.result("gather")["gathered"][0]["config"],
            {"partition": {"web": {"hostname": "h", "cgroup": {"memory": {"max": "2G"}}}}})
        self.assertIn('\nmemory.max = "2G"\n', run.result("gather")["gathered"][0]["content"])
        self.assertIn("\nnet.ipv4.ip_forward = 1\n", run.result("render")["rendered"]["x.toml"])
        kept = pathlib.Path(run.result("merge")["files"][0]["backup_file"])
        self.assertTrue(kept.read_text().startswith("# mine\n"))
        self.assertNotIn("note: it is not read", partctl("check").stderr)

    def test_secrets(self):
        def secret(word):
            return [config("write", name="web", config=web(
                namespaces=["net", "pid"], init={"command": ["/bin/sleep", "60"], "environment": {"TOKEN": word}}))]  # fmt: skip
        self.assert_well(play(secret("open sesame")))
        self.assertEqual((CONFIG / "web.toml").stat().st_mode & 0o777, 0o600)
        run = self.assert_well(play(secret("shazam"), "--diff"))
        self.assertEqual(run.changed(), ["write"])
        self.assertNotRegex(run.text, "sesame|shazam")
        self.assertIn("+TOKEN = *** (another value)", run.text)
        wide = self.assert_well(play([config("write", name="web", content="[partition.web]\n", mode="0644")], "--diff"))
        self.assertIn("+mode 0644", wide.text)

    def test_rolled_back_and_written_by_hand(self):
        tasks = role([{"name": "web", "config": web()}], partd_purge=False)
        self.assert_well(play(tasks))
        self.assertEqual(partctl("rollback", "0").returncode, 0)
        run = self.assert_well(play(tasks, "--check"))
        self.assertEqual(run.changed(), ["Make the host as declared"])
        self.assertEqual(self.assert_well(play(tasks)).changed(), run.changed())
        self.assert_as_declared()

    def test_info_and_exec(self):
        run = self.assert_well(play([
            config("write", name="web", config=web()),
            apply(wait="10s"),
            {"name": "info", "partd.host.partd_info": {"name": "web", "gather": ["status", "list", "history", "layers", "namespaces", "metrics"]}},
            {"name": "exec", "partd.host.partd_exec": {
                "name": "web", "argv": ["sh", "-c", 'printf "%s|" "$A"; cat; ip -o link show eth0'], "stdin": "in\n", "environment": {"A": 'q"$`\\'}}},
            {"name": "there", "partd.host.partd_exec": {"name": "web", "argv": ["false"], "creates": "/etc"}},
            {"name": "false", "partd.host.partd_exec": {"name": "web", "argv": ["false"]}, "ignore_errors": True},
            {"name": "no such partition", "partd.host.partd_exec": {"name": "nobody", "argv": ["true"]}, "ignore_errors": True},
        ]))  # fmt: skip
        info = run.result("info")
        self.assertEqual([(each["name"], each["state"]) for each in info["partitions"]], [("web", "active")])
        self.assertEqual(info["objects"][0]["declared"], {"file": "/etc/partd/web.toml", "line": 3})
        self.assertEqual(len(info["generations"]), 1)
        self.assertIn({"name": "partd_partition_up", "labels": {"partition": "web"}, "value": 1.0}, info["metrics"])
        self.assertTrue(info["resources"] and info["namespaces"] and info["version"])
        self.assertTrue(run.result("exec")["stdout"].startswith('q"$`\\|in\n'), run.result("exec"))
        self.assertIn("eth0", run.result("exec")["stdout"])
        self.assertFalse(run.result("there")["changed"])
        self.assertEqual(run.result("false")["rc"], 1)
        self.assertIn("nobody", run.result("no such partition")["msg"])


class Page(HostTest):
    """The playbook of docs/ansible.md, with the output that is printed there."""

    def test_page(self):
        page = (host.PROJECT / "docs/ansible.md").read_text()
        blocks = dict(re.findall(r"^`(\S+)`\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
        self.assertEqual(sorted(blocks), ["files/template.toml", "site.yml", "templates/tenants.toml.j2"])
        place = host.SCRATCH / "page"
        for name, text in blocks.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        site = place / "site.yml"
        (CONFIG / "old.toml").write_text("[partition.old]\n")
        with daemon():
            wet = self.assert_well(play(site))
            self.assertEqual(wet.changed(), ["Write the files", "Make the host as declared"])
            self.assertTrue(wet.result("Make the host as declared")["confirmed"])
            again = self.assert_well(play(site))
            self.assertEqual(again.changed(), [])
            shown = re.search(r"^# ansible-playbook site.yml (.*?)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
            dry = self.assert_well(play(site, *shown[1].split()))
            for part in shown[2].split("…\n"):
                self.assertIn(part, dry.text)


if __name__ == "__main__":
    arguments = sys.argv
    if len(arguments) < 2:
        sys.exit(__doc__)
    host.enter(arguments)
    with host.host(pathlib.Path(arguments[1]).resolve().parent):
        finished = unittest.main(argv=[arguments[0], *arguments[2:]], exit=False)
    sys.exit(not finished.result.wasSuccessful())
