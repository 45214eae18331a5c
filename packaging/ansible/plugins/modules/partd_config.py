#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: partd_config
short_description: Configuration files of partd
description:
  - Writes, merges and removes files of a configuration directory of partd, as text or as data.
  - The whole configuration is checked as it will be, before a file is written. An error names file and line, and
    nothing is changed. Templates and objects of other files count, and so do other files of the same task.
  - All files of a task count at once, as one generation. A file is written beside its place and renamed.
  - A running partd applies the files by itself a moment later, unless I(hold=true). Without partd they count at the next
    run of M(partd.host.partd_apply).
author: the authors of partd (@partd)
options:
  name:
    description:
      - The name of a file, with or without C(.toml). The names carry no meaning for partd.
    type: str
  content:
    description:
      - The text of the file. Without text it is a link to C(/dev/null), which masks a file of the same name in a
        later directory.
    type: str
  config:
    description:
      - What the file declares, as data, for instance C(partition.web.link.eth0.address).
      - Keys of the tables C(cgroup), C(sysctl) and C(slice.NAME) may be written with dots, as in C(memory.max).
      - null leaves a key out; with I(state=merged) it takes the key out of the file.
      - Templating makes strings of numbers. Where partd takes nothing but a number or a boolean, a string that is one is
        written as that.
    type: dict
  src:
    description:
      - A file on the controller, which is copied as it is. It is looked for in C(files/), as by M(ansible.builtin.copy).
    type: path
  mode:
    description:
      - The mode of the file, as a string, for instance C("0600").
      - Without it a file keeps its mode, and a new one gets C(0644). One with a key C(environment) is closed to others than
        root, for the values of variables are secrets.
      - Values of a file that others may not read are told to root alone by partd. C(--diff) shows its names without values.
    type: str
  files:
    description:
      - Several files, in place of I(name).
    type: list
    elements: dict
    suboptions:
      name:
        description: As the option I(name).
        type: str
        required: true
      content:
        description: As the option I(content).
        type: str
      config:
        description: As the option I(config).
        type: dict
      src:
        description: As the option I(src).
        type: path
      mode:
        description: As the option I(mode).
        type: str
      state:
        description: C(absent) removes this file.
        type: str
        choices: [present, absent]
        default: present
  state:
    description:
      - C(replaced) makes each named file exactly what is given.
      - C(merged) changes only the keys in I(config), and leaves all others of the file. Lists are replaced as a whole.
        When something changes, the file is written anew, without its comments. It needs Python 3.11, or tomli, on the host.
      - C(overridden) does as C(replaced), and removes every other file of the directory. Files in the other directories of
        partd stay.
      - C(absent) removes the named files.
      - C(rendered) returns the text of I(config), without a look at the host. Strings stay strings there.
      - C(gathered) returns the files that are there, all or the named ones.
    type: str
    choices: [merged, replaced, overridden, absent, rendered, gathered]
    default: replaced
  directory:
    description:
      - The directory. One that partd does not read is checked as a configuration of its own.
    type: path
    default: /etc/partd
  backup:
    description:
      - Keeps each former file beside the new one, under a name that partd does not read.
    type: bool
    default: false
  validate:
    description:
      - C(false) writes the files unchecked, also where there is no partctl yet.
    type: bool
    default: true
  hold:
    description:
      - Has a running partd wait for M(partd.host.partd_apply), or C(partctl resume --files), before it takes the files up. It
        holds back changes of all configuration files.
    type: bool
    default: false
  partctl:
    description:
      - The path of partctl. Without it PATH and the usual directories are searched.
    type: path
notes:
  - Supports C(check_mode) and C(--diff). A run with C(--check) finds the same errors, and reports the same changes.
  - Tasks that run at the same time wait for each other.
  - Needs root on the host.
seealso:
  - module: partd.host.partd_apply
'''

EXAMPLES = r'''
- name: A partition as data
  partd.host.partd_config:
    name: web
    config:
      partition:
        web:
          description: a web server
          link:
            eth0:
              address: [10.1.1.1/24]
              peer: {address: [10.1.1.2/24]}
          cgroup:
            memory.max: 512M

- name: A template of the playbook
  partd.host.partd_config:
    name: web
    content: "{{ lookup('ansible.builtin.template', 'web.toml.j2') }}"

- name: Exactly these files, all at once, taken up by partd_apply
  partd.host.partd_config:
    state: overridden
    hold: true
    files:
      - name: tenants
        src: tenants.toml
      - name: web
        config: "{{ web }}"
  register: written

- name: More memory, and no description
  partd.host.partd_config:
    name: web
    state: merged
    config: {partition: {web: {description: null, cgroup: {memory.max: 1G}}}}
'''

RETURN = r'''
files:
  description: The files that were named or are removed.
  returned: always but for states rendered and gathered
  type: list
  elements: dict
  contains:
    name: {description: The file's name., type: str, returned: always}
    path: {description: The file., type: str, returned: always}
    action: {description: "C(created), C(changed), C(removed) or C(unchanged).", type: str, returned: always}
    mode: {description: Its mode., type: str, returned: when it is there}
    backup_file: {description: The former file., type: str, returned: with backup}
pending:
  description: In check mode the edits that were not made, for the option I(pending) of M(partd.host.partd_apply).
  returned: always but for states rendered and gathered
  type: list
  elements: dict
directory:
  description: The directory.
  returned: always but for state rendered
  type: str
rendered:
  description: The text of each file, by name.
  returned: state rendered
  type: dict
gathered:
  description: The files, with C(name), C(path), C(mode), C(content), and C(config) where the host can read TOML.
  returned: state gathered
  type: list
  elements: dict
errors:
  description: C(file), C(line), C(column) and C(message) of each error.
  returned: when the configuration would be invalid
  type: list
  elements: dict
'''

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.partd.host.plugins.module_utils import document, schema
from ansible_collections.partd.host.plugins.module_utils.document import Directory, Lock, Mirror, Wrong
from ansible_collections.partd.host.plugins.module_utils.partctl import (
    PARTCTL_ARGUMENT, Missing, Partctl, files_are_held, partd_runs)

SOURCES = ('content', 'config', 'src')


def named_files(params):
    """The files of the task, in one form, each with its full name."""
    state = params['state']
    if params['name'] is not None:
        files = [dict((each, params[each]) for each in ('name', 'mode') + SOURCES)]
    else:
        files = [dict(each) for each in params['files'] or []]
        for each in ('mode',) + SOURCES:
            if params[each] is not None:
                raise Wrong('%s goes with name; with files each file has its own' % each)
    for each in files:
        each['name'] = document.file_name(each['name'])
        each['absent'] = state == 'absent' or each.get('state') == 'absent'
        given = [source for source in SOURCES if each.get(source) is not None]
        if each.get('src') is not None:
            raise Wrong('src is read on the controller: the name of the module has to be partd.host.partd_config')
        if len(given) > 1:
            raise Wrong('%s: it is either %s' % (each['name'], ' or '.join(given)))
        if state == 'gathered' or each['absent']:
            if given:
                raise Wrong('%s: %s says nothing here' % (each['name'], given[0]))
        elif not given:
            raise Wrong('%s: one of content, config and src is missing' % each['name'])
        elif state == 'merged' and given != ['config']:
            raise Wrong('%s: only config can be merged: a text is a whole file' % each['name'])
    names = [each['name'] for each in files]
    for name in names:
        if names.count(name) > 1:
            raise Wrong('%s is named twice' % name)
    if not files and state != 'gathered':
        raise Wrong('name or files is missing' if state != 'overridden' else
                    'overridden without files would remove everything: name the files to remove with state absent')
    return files


def text_of(each):
    """The text of a file as the task has it."""
    if each.get('config') is not None:
        return document.rendered(each['config'])
    text = each['content']
    return text + '\n' if text and not text.endswith('\n') else text


def mode_of(each):
    if each.get('mode') is None:
        return None
    try:
        mode = int(str(each['mode']), 8)
    except ValueError:
        raise Wrong('%s: mode "%s" is not an octal number such as "0600"' % (each['name'], each['mode']))
    if not 0 <= mode <= 0o777 or mode & 0o022 or not mode & 0o400:
        raise Wrong('%s: partd does not read a file of mode %s: root has to read it, and nobody else to write it; quote the '
                    'mode, as in "0640"' % (each['name'], each['mode']))
    return mode


def schema_of(module):
    """What the host's partctl says of the language; empty where there is none and the files are written unchecked."""
    try:
        return Partctl(module).run('schema', json=False).data
    except Missing:
        if module.params['validate']:
            raise
        return {}


def edited(module):
    """The directory with the task's edits."""
    params = module.params
    directory = Directory(params['directory'])
    files = named_files(params)
    if any(each.get('config') for each in files):
        language = schema_of(module)
        for each in files:
            if each.get('config'):
                each['config'] = schema.typed(document.unfold(each['config']), [language])
    for each in files:
        name = each['name']
        if each['absent']:
            directory.edit(name, None)
        elif params['state'] == 'merged':
            text = document.merged(directory.file(name).text, each['config'], directory.at(name))
            directory.edit(name, text, mode_of(each))
        else:
            directory.edit(name, text_of(each), mode_of(each))
    if params['state'] == 'overridden':
        for name in document.names_in(params['directory']):
            if name not in directory.edits:
                directory.edit(name, None)
    return directory


def check(module, directory):
    """Fails where the configuration would be invalid; returns the warnings. Without an edit nothing is asked."""
    if not module.params['validate'] or not directory.changes():
        return []
    partctl = Partctl(module)
    edits = dict((name, after) for name, dummy, after in directory.changes())
    with Mirror(directory.path, edits, module.tmpdir) as mirror:
        arguments = ['check']
        if directory.path not in document.READ:
            there = mirror.root + directory.path
            arguments += [os.path.join(there, name) for name in document.names_in(there)]
        # Without a file's name partctl would check the directories of partd.
        answer = partctl.run(*arguments, mirror=mirror) if arguments != ['check'] or directory.path in document.READ else None
    if answer is None or answer.code == 0:
        return answer.warnings() if answer else []
    errors = answer.errors()
    told = [document.excerpt(directory, each) for each in errors] or answer.words()
    module.fail_json(msg='The configuration would be invalid; nothing was changed:\n' + '\n'.join(told),
                     errors=errors, rc=answer.code)


def write(module, directory):
    """Writes the edits so that a running partd takes all of them up at once, or, held, at the next apply."""
    hold = module.params['hold']
    backup = module.backup_local if module.params['backup'] else None
    changes = directory.changes()
    pauses = directory.path in document.READ and (hold or len(changes) > 1) and partd_runs() and not files_are_held()
    partctl = None
    if pauses:
        try:
            partctl = Partctl(module)
        except Missing:
            if module.params['validate']:
                raise
    if partctl:
        paused = partctl.run('pause', '--files', json=False)
        if paused.code != 0:
            module.fail_json(msg='partctl pause --files failed; nothing was changed: ' + '\n'.join(paused.words()), rc=paused.code)
    done = False
    try:
        kept = directory.write(backup)
        done = True
    finally:
        if partctl and not (hold and done):
            resumed = partctl.run('resume', '--files', json=False)
            if resumed.code != 0 and done:
                module.warn('The files are written and stay paused until partctl resume --files: ' + '\n'.join(resumed.words()))
    return kept


def report(directory):
    """The files of the task and what becomes of each."""
    changed = dict((name, (before, after)) for name, before, after in directory.changes())
    files = []
    for name in sorted(directory.edits):
        after = directory.edits[name]
        action = 'unchanged'
        if name in changed:
            before = changed[name][0]
            action = 'removed' if after.text is None else 'created' if before.text is None else 'changed'
        each = dict(name=name, path=directory.at(name), action=action)
        if after.mode is not None:
            each['mode'] = '%04o' % after.mode
        files.append(each)
    return files


def render(module):
    files = named_files(module.params)
    module.exit_json(changed=False, rendered=dict((each['name'], text_of(each)) for each in files if not each['absent']))


def gather(module):
    directory = Directory(module.params['directory'])
    wanted = [each['name'] for each in named_files(module.params)]
    found = []
    for name in wanted or document.names_in(directory.path):
        file = directory.file(name)
        if file.text is None:
            continue
        each = dict(name=name, path=directory.at(name), mode='%04o' % file.mode, content=file.text)
        if document.toml_reader is not None:
            try:
                each['config'] = document.parsed(file.text, directory.at(name))
            except Wrong as error:
                module.warn(str(error))
        found.append(each)
    module.exit_json(changed=False, directory=directory.path, gathered=found)


def change(module):
    with Lock():
        directory = edited(module)
        for warning in check(module, directory):
            module.warn(warning)
        changes = directory.changes()
        result = dict(changed=bool(changes), directory=directory.path, files=report(directory), pending=[])
        result['diff'] = [entry for name, before, after in changes
                          for entry in document.difference(directory, name, before, after)]
        if module.check_mode:
            result['pending'] = [dict(name=name, content=after.text, mode=after.mode) for name, dummy, after in changes]
        elif changes:
            kept = write(module, directory)
            for each in result['files']:
                if each['name'] in kept:
                    each['backup_file'] = kept[each['name']]
    module.exit_json(**result)


def main():
    sources = dict(content=dict(type='str'), config=dict(type='dict'), src=dict(type='path'), mode=dict(type='str'))
    one = dict(sources, name=dict(type='str', required=True),
               state=dict(type='str', choices=['present', 'absent'], default='present'))
    module = AnsibleModule(
        argument_spec=dict(
            sources,
            name=dict(type='str'),
            files=dict(type='list', elements='dict', options=one),
            state=dict(type='str', choices=['merged', 'replaced', 'overridden', 'absent', 'rendered', 'gathered'],
                       default='replaced'),
            directory=dict(type='path', default='/etc/partd'),
            backup=dict(type='bool', default=False),
            validate=dict(type='bool', default=True),
            hold=dict(type='bool', default=False),
            **PARTCTL_ARGUMENT),
        mutually_exclusive=[('name', 'files')],
        supports_check_mode=True,
        no_log=True)  # the texts of files with secrets do not belong into the host's log
    try:
        module.params['directory'] = os.path.normpath(module.params['directory'])
        if module.params['state'] == 'rendered':
            render(module)
        elif module.params['state'] == 'gathered':
            gather(module)
        else:
            change(module)
    except (Wrong, Missing) as error:
        module.fail_json(msg=str(error))
    except (IOError, OSError) as error:
        hint = '; the module needs root on the host (become: true)' if os.geteuid() != 0 else ''
        module.fail_json(msg='%s: %s%s' % (error.filename or module.params['directory'], error.strerror, hint))


if __name__ == '__main__':
    main()
