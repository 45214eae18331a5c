#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: partd_info
short_description: Facts about partd and its partitions
description:
  - Returns what C(partctl --json) prints. It changes nothing, and does not fail where partd is not installed.
author: the authors of partd (@partd)
options:
  gather:
    description:
      - What to ask. C(status) is the state of each partition and slice, C(list) what the files declare, C(history) the
        generations, C(layers) what overlays wrote, C(doctor) what is in the way on this host.
    type: list
    elements: str
    choices: [status, list, history, layers, namespaces, metrics, doctor]
    default: [status]
  name:
    description:
      - Also every attribute of this partition or slice, as wanted and as found (C(partctl show)).
    type: str
  partctl:
    description:
      - The path of partctl. Without it PATH and the usual directories are searched.
    type: path
notes:
  - Supports C(check_mode).
  - All but C(list) needs root on the host, or the group C(partd) where partd runs.
seealso:
  - module: partd.host.partd_apply
'''

EXAMPLES = r'''
- name: Ask for the partitions
  partd.host.partd_info:
  register: partd

- name: Each one is as declared
  ansible.builtin.assert:
    that: partd.partitions | rejectattr('state', 'eq', 'active') | list | length == 0

- name: The generations and one partition
  partd.host.partd_info:
    gather: [history]
    name: web
  register: partd
'''

RETURN = r'''
installed:
  description: There is a partctl.
  returned: always
  type: bool
version:
  description: Its version.
  returned: when installed
  type: str
running:
  description: partd runs.
  returned: always
  type: bool
waits:
  description: An apply waits to be confirmed.
  returned: always
  type: bool
held:
  description: The files are paused.
  returned: always
  type: bool
partitions:
  description: A dictionary for each partition and slice, with C(name), C(kind), C(state), C(addresses), C(memory) and others.
  returned: with gather=status
  type: list
  elements: dict
objects:
  description: The declared partitions and slices.
  returned: with gather=list
  type: list
  elements: dict
generations:
  description: The generations.
  returned: with gather=history
  type: list
  elements: dict
layers:
  description: The layers.
  returned: with gather=layers
  type: list
  elements: dict
namespaces:
  description: The namespaces of the host.
  returned: with gather=namespaces
  type: list
  elements: dict
metrics:
  description: C(name), C(labels) and C(value) of each figure.
  returned: with gather=metrics
  type: list
  elements: dict
findings:
  description: What doctor found.
  returned: with gather=doctor
  type: list
  elements: dict
resources:
  description: The attributes of the partition I(name).
  returned: with name
  type: list
  elements: dict
errors:
  description: C(file), C(line) and C(message) of each error in the configuration.
  returned: when there are some
  type: list
  elements: dict
'''

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.partd.host.plugins.module_utils import partctl
from ansible_collections.partd.host.plugins.module_utils.partctl import PARTCTL_ARGUMENT, Missing, Partctl

# What to ask → the words for partctl, and the member of its answer.
QUESTIONS = {
    'status': (['status'], 'partitions'),
    'list': (['list'], 'objects'),
    'history': (['history'], 'generations'),
    'layers': (['status', '--layers'], 'layers'),
    'namespaces': (['ns'], 'namespaces'),
    'doctor': (['doctor'], 'findings'),
}
FIGURE = re.compile(r'^(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)$')
LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')
UNESCAPED = {'n': '\n', '"': '"', '\\': '\\'}


def figures(text):
    """The text format of Prometheus as a list."""
    found = []
    for line in text.splitlines():
        match = FIGURE.match(line)
        if match and not line.startswith('#'):
            labels = dict((name, re.sub(r'\\(.)', lambda each: UNESCAPED.get(each.group(1), each.group(0)), value))
                          for name, value in LABEL.findall(match.group('labels') or ''))
            found.append(dict(name=match.group('name'), labels=labels, value=float(match.group('value'))))
    return found


def ask(module, program, result):
    result['version'] = program.run('version', json=False).out.strip()
    questions = [QUESTIONS[each] for each in module.params['gather'] if each != 'metrics']
    if module.params['name']:
        questions.append((['show', module.params['name']], 'resources'))
    for words, member in questions:
        answer = program.run(*words)
        if answer.code not in (partctl.DONE, partctl.DIFFERENCES, partctl.INVALID):
            module.fail_json(msg='partctl %s failed: %s' % (' '.join(words), '\n'.join(answer.words())), rc=answer.code)
        result[member] = answer.data.get(member) or []
        if answer.data.get('errors'):
            result['errors'] = answer.errors()
    if 'metrics' in module.params['gather']:
        answer = program.run('metrics', json=False)
        if answer.code != partctl.DONE:
            module.fail_json(msg='partctl metrics failed: ' + '\n'.join(answer.words()), rc=answer.code)
        result['metrics'] = figures(answer.out)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            gather=dict(type='list', elements='str', default=['status'],
                        choices=['status', 'list', 'history', 'layers', 'namespaces', 'metrics', 'doctor']),
            name=dict(type='str'),
            **PARTCTL_ARGUMENT),
        supports_check_mode=True)
    result = dict(changed=False, installed=True, running=partctl.partd_runs(), waits=partctl.waits_to_be_confirmed(),
                  held=partctl.files_are_held())
    try:
        ask(module, Partctl(module), result)
    except Missing:
        result['installed'] = False
    module.exit_json(**result)


if __name__ == '__main__':
    main()
