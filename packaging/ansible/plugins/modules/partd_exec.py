#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: partd_exec
short_description: Run a command inside a partition
description:
  - Runs a command by C(partctl exec), in the namespaces and the control group of a partition. No shell is involved.
author: the authors of partd (@partd)
options:
  name:
    description:
      - The partition.
    type: str
    required: true
  argv:
    description:
      - The command and its arguments.
    type: list
    elements: str
    required: true
  stdin:
    description:
      - The standard input of the command.
    type: str
  environment:
    description:
      - Variables for the command. Their values stand on no command line.
    type: dict
    default: {}
  creates:
    description:
      - A path inside the partition. The command does not run when it is there. C(test) has to be there.
    type: str
  partctl:
    description:
      - The path of partctl. Without it PATH and the usual directories are searched.
    type: path
notes:
  - Check mode skips the command, for nobody knows what it does.
  - Needs root on the host.
seealso:
  - module: ansible.builtin.command
'''

EXAMPLES = r'''
- name: The sockets that listen in a partition
  partd.host.partd_exec:
    name: web
    argv: [ss, -tln]
  register: sockets
  changed_when: false

- name: A database, once
  partd.host.partd_exec:
    name: db
    argv: [initdb, -D, /var/lib/db]
    creates: /var/lib/db/PG_VERSION
    environment:
      PGPASSWORD: "{{ secret }}"
'''

RETURN = r'''
rc:
  description: The command's exit status; 126 and 127 where it could not be run.
  returned: when it ran
  type: int
stdout:
  description: Its standard output.
  returned: when it ran
  type: str
stderr:
  description: Its standard error.
  returned: when it ran
  type: str
'''

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.partd.host.plugins.module_utils.partctl import PARTCTL_ARGUMENT, Missing, Partctl


def quoted(value):
    """A value in double quotes, as partctl exec --environment reads it."""
    for letter in '\\"`$':
        value = value.replace(letter, '\\' + letter)
    return '"%s"' % value


def environment_file(module):
    """A file of root's alone with the variables; None without any."""
    variables = module.params['environment']
    if not variables:
        return None
    descriptor, path = tempfile.mkstemp(prefix='environment-', dir=module.tmpdir)
    with os.fdopen(descriptor, 'w') as file:
        for name in sorted(variables):
            file.write('%s=%s\n' % (name, quoted(str(variables[name]))))
    return path


def run(module, program):
    name = module.params['name']
    creates = module.params['creates']
    if creates and program.run('exec', name, '--', 'test', '-e', creates, json=False).code == 0:
        module.exit_json(changed=False, msg='%s is there in %s' % (creates, name))
    if module.check_mode:
        module.exit_json(changed=True, skipped=True, msg='skipped in check mode')
    variables = environment_file(module)
    try:
        words = ['exec'] + (['--environment', variables] if variables else []) + [name, '--'] + module.params['argv']
        answer = program.run(*words, data=module.params['stdin'], json=False)
    finally:
        if variables:
            os.unlink(variables)
    result = dict(changed=True, rc=answer.code, stdout=answer.out, stderr=answer.err)
    if answer.code != 0:
        module.fail_json(msg='%s in %s ended with %d: %s' % (module.params['argv'][0], name, answer.code, answer.err.strip()),
                         **result)
    module.exit_json(**result)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type='str', required=True),
            argv=dict(type='list', elements='str', required=True),
            stdin=dict(type='str'),
            environment=dict(type='dict', default={}),
            creates=dict(type='str'),
            **PARTCTL_ARGUMENT),
        supports_check_mode=True,
        no_log=True)  # variables and standard input may be secrets
    if not module.params['argv']:
        module.fail_json(msg='argv is empty: name the command')
    try:
        run(module, Partctl(module))
    except Missing as error:
        module.fail_json(msg=str(error))


if __name__ == '__main__':
    main()
