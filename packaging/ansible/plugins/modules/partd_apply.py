#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: partd_apply
short_description: Make a host as the files of partd declare
description:
  - Runs C(partctl apply). It changes what differs, and reports a change only then.
  - With I(confirm) partd goes back by itself unless the change is confirmed. The task confirms over a new connection, so
    that a change which cuts the controller off does not stay.
author: the authors of partd (@partd)
options:
  name:
    description:
      - Only this partition or slice, and what it depends on.
    type: str
  allow_delete:
    description:
      - Removes even when the limit for removals is exceeded (C(delete_limit) in C([daemon])). Without it such a run fails
        and changes nothing.
    type: bool
    default: false
  confirm:
    description:
      - Goes back after this time, for instance C(60s), unless the change is confirmed. It needs a running partd.
      - When a part of the change fails, the task goes back at once.
      - The files stay as they are when the host went back. The next run applies them again.
    type: str
  confirm_by:
    description:
      - C(connection) confirms as soon as a new connection to the host stands.
      - C(task) leaves that to a later task with I(state=confirmed), after tests of your own.
    type: str
    choices: [connection, task]
    default: connection
  state:
    description:
      - C(applied) applies.
      - C(confirmed) keeps the change that waits to be confirmed; C(reverted) goes back at once; C(settled) does the one
        where all is as declared, and the other where not. They change nothing when none waits.
    type: str
    choices: [applied, confirmed, reverted, settled]
    default: applied
  pending:
    description:
      - Registered results of M(partd.host.partd_config). In check mode their files are not written yet, and the plan counts
        them in. Without check mode this says nothing.
    type: list
    elements: dict
    default: []
  wait:
    description:
      - Waits afterwards, at most so long, until everything (or the partition I(name)) is as declared.
    type: str
  patience:
    description:
      - Waits at most so long for the confirmation of an apply of others, which has to come first.
    type: str
    default: 60s
  partctl:
    description:
      - The path of partctl. Without it PATH and the usual directories are searched.
    type: path
notes:
  - Supports C(check_mode), and prints the plan of C(partctl diff) with C(--diff).
  - Where partd runs, it may have applied the files before this task. Then the task finds nothing to do; a task
    M(partd.host.partd_config) with C(hold=true) leaves it to this one.
  - Needs root on the host.
seealso:
  - module: partd.host.partd_config
'''

EXAMPLES = r'''
- name: Make the host as declared, and go back where that cuts us off
  partd.host.partd_apply:
    confirm: 60s
    pending: "{{ [written] }}"

- name: Remove more than half of the partitions
  partd.host.partd_apply:
    allow_delete: true

- name: Apply, to be kept only if the server answers
  partd.host.partd_apply:
    confirm: 2min
    confirm_by: task

- name: Ask the server
  ansible.builtin.uri:
    url: http://192.0.2.1:8080/
  delegate_to: localhost

- name: Keep it
  partd.host.partd_apply:
    state: confirmed
'''

RETURN = r'''
changes:
  description: The changes of the plan, as C(partctl diff --json) has them.
  returned: with state applied
  type: list
  elements: dict
plan:
  description: The plan, as C(partctl diff) prints it, a line each.
  returned: with state applied
  type: list
  elements: str
done:
  description: The number of changes made.
  returned: with state applied, without check mode
  type: int
generation:
  description: The generation that holds the files.
  returned: with state applied, without check mode
  type: int
waits:
  description: The change waits to be confirmed.
  returned: without check mode
  type: bool
confirmed:
  description: The change was confirmed, over a new connection.
  returned: with confirm, and with state settled
  type: bool
reverted:
  description: The host went back to what was there before.
  returned: when it did
  type: bool
differs:
  description: Something is not as declared.
  returned: with state settled
  type: bool
errors:
  description: C(file), C(line) and C(message) of each error.
  returned: on failure
  type: list
  elements: dict
'''

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.partd.host.plugins.module_utils import document, partctl
from ansible_collections.partd.host.plugins.module_utils.document import File, Mirror, Wrong
from ansible_collections.partd.host.plugins.module_utils.partctl import PARTCTL_ARGUMENT, Missing, Partctl

def pending_edits(module):
    """(directory, name → File) of the partd_config tasks before, in check mode; None where there are none."""
    directory, edits = None, {}
    for each in module.params['pending'] if module.check_mode else []:
        for edit in each.get('pending') or []:
            if directory not in (None, each['directory']):
                raise Wrong('pending: the plan of check mode covers one directory, not both %s and %s'
                            % (directory, each['directory']))
            directory = each['directory']
            edits[edit['name']] = File(edit['content'], edit['mode'])
    return (directory, edits) if edits and directory in document.READ else None


def fail(module, answer, what, **more):
    told = answer.words()
    module.fail_json(msg='%s:\n%s' % (what, '\n'.join(told)), rc=answer.code, errors=answer.errors(), **more)


def diff_of(text):
    """The plan as --diff prints it."""
    return dict(prepared=text)


def preview(module, program):
    """Check mode: the plan of what apply would find by then."""
    pending = pending_edits(module)
    name = [module.params['name']] if module.params['name'] else []
    if pending:
        with Mirror(pending[0], pending[1], module.tmpdir) as mirror:
            answer = program.run('diff', *name, mirror=mirror)
            text = program.run('--no-legend', 'diff', *name, mirror=mirror, json=False).out
    else:
        answer = program.run('diff', *name)
        text = program.run('--no-legend', 'diff', *name, json=False).out
    if answer.code not in (partctl.DONE, partctl.DIFFERENCES, partctl.REFUSED):
        fail(module, answer, 'partctl apply would fail', plan=text.splitlines(), diff=diff_of(text))
    if partctl.waits_to_be_confirmed():
        module.warn('An earlier apply waits to be confirmed; this one would wait for that.')
    refused = answer.data.get('refused')
    if refused and not module.params['allow_delete']:
        module.fail_json(msg='partctl apply would refuse: %s; allow_delete if that is meant' % refused,
                         rc=partctl.REFUSED, errors=[], plan=text.splitlines(), diff=diff_of(text))
    if module.params['confirm'] and not partctl.partd_runs():
        module.fail_json(msg='confirm needs a running partd, and none answers at %s' % partctl.BUS, rc=partctl.OUT_OF_REACH)
    changes = answer.data.get('changes') or []
    if answer.data.get('conflicts'):
        fail(module, answer, 'partctl apply would fail', changed=bool(changes), plan=text.splitlines(), diff=diff_of(text))
    module.exit_json(changed=bool(changes), changes=changes, plan=text.splitlines(), diff=diff_of(text))


def options_of(module):
    options = []
    try:
        for option in ('confirm', 'wait'):
            if module.params[option]:
                options += ['--' + option, partctl.duration(module.params[option])]
        partctl.duration(module.params['patience'])
    except ValueError as error:
        raise Wrong(str(error))
    if module.params['allow_delete']:
        options.append('--allow-delete')
    return options


def apply(module, program):
    options = options_of(module)
    if module.check_mode:
        preview(module, program)
    if module.params['name']:
        options.append(module.params['name'])
    name = [module.params['name']] if module.params['name'] else []
    end = time.time() + partctl.seconds(module.params['patience'])
    while True:
        while partctl.waits_to_be_confirmed() and time.time() < end:
            time.sleep(0.2)
        text = program.run('--no-legend', 'diff', *name, json=False).out
        answer = program.run('apply', *options)
        # Another one may have come in between.
        if answer.reason() != 'waiting' or time.time() > end:
            break
    changes = answer.data.get('changes') or []
    done = answer.data.get('done') or 0
    waits = answer.data.get('waits') is not None
    result = dict(changed=done > 0, changes=changes, plan=text.splitlines(), done=done, waits=waits,
                  generation=answer.data.get('generation') or 0, diff=diff_of(text))
    if answer.code != partctl.DONE:
        what = 'partctl apply failed' if done else 'partctl apply failed; nothing was changed'
        if partctl.files_are_held():
            what += ', and the files stay paused until the next apply, or partctl resume --files'
        fail(module, answer, what, **result)
    for warning in answer.warnings():
        module.warn(warning)
    module.exit_json(**result)


def finish(module, program):
    """Confirms or goes back, where something waits for that."""
    state, told = module.params['state'], {}
    if state == 'settled':
        told['differs'] = program.run('diff').code != partctl.DONE
        state = 'reverted' if told['differs'] else 'confirmed'
    waits = partctl.waits_to_be_confirmed()
    if module.check_mode or not waits:
        module.exit_json(changed=waits, waits=waits, **told)
    verb = dict(confirmed='confirm', reverted='rollback')[state]
    answer = program.run(verb, json=False)
    waits = partctl.waits_to_be_confirmed()
    if answer.code == partctl.USAGE and not waits:
        module.exit_json(changed=False, waits=False, **told)  # its time was over just now
    if answer.code == partctl.NOT_CONVERGED and not waits:
        # It went back; something that partd never takes back, such as forwarding, stays.
        for line in answer.words():
            module.warn(line if len(line) < 200 else line[:200] + ' ...')
    elif answer.code != partctl.DONE:
        fail(module, answer, 'partctl %s failed' % verb, waits=waits, **told)
    told[state] = True
    module.exit_json(changed=True, waits=waits, **told)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type='str'),
            allow_delete=dict(type='bool', default=False),
            confirm=dict(type='str'),
            confirm_by=dict(type='str', choices=['connection', 'task'], default='connection'),
            state=dict(type='str', choices=['applied', 'confirmed', 'reverted', 'settled'], default='applied'),
            pending=dict(type='list', elements='dict', default=[]),
            wait=dict(type='str'),
            patience=dict(type='str', default='60s'),
            **PARTCTL_ARGUMENT),
        supports_check_mode=True,
        no_log=True)  # pending has the texts of files
    try:
        program = Partctl(module)
        if module.params['state'] == 'applied':
            apply(module, program)
        finish(module, program)
    except (Wrong, Missing) as error:
        module.fail_json(msg=str(error))


if __name__ == '__main__':
    main()
