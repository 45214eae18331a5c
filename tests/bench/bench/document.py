# SPDX-License-Identifier: Apache-2.0
"""The partitions that everybody makes: numbers, names, addresses, and partd's document of them."""

PIDS = 256


class Partition:
    def __init__(self, number, mtu=None):
        self.number = number
        self.mtu = mtu
        self.name = f"p{number:04}"
        self.host_end = f"pv-{self.name}"
        high, low = 64 + number // 256, number % 256
        self.net4 = f"10.{high}.{low}.0/24"
        self.inner4, self.outer4 = f"10.{high}.{low}.2", f"10.{high}.{low}.1"
        self.net6 = f"fd00:{high:x}:{low:x}::/64"
        self.inner6, self.outer6 = f"fd00:{high:x}:{low:x}::2", f"fd00:{high:x}:{low:x}::1"

    def toml(self, limits=True):
        return f"""[partition.{self.name}]
description = "partition {self.number} of the benchmark"

[partition.{self.name}.link.eth0]
address = ["{self.inner4}/24", "{self.inner6}/64"]
peer = {{ address = ["{self.outer4}/24", "{self.outer6}/64"] }}
""" + (f"mtu = {self.mtu}\n" if self.mtu else "") + f"""
[[partition.{self.name}.route]]
to = "default"
via = "{self.outer4}"

[[partition.{self.name}.route]]
to = "default"
via = "{self.outer6}"

[partition.{self.name}.nat]
masquerade = true

""" + (f"[partition.{self.name}.cgroup]\npids.max = {PIDS}\n\n" if limits else "")


def partitions(count):
    return [Partition(number) for number in range(count)]


def document(all_of_them, limits=True):
    return "# the benchmark's\n" + "".join(partition.toml(limits) for partition in all_of_them)
