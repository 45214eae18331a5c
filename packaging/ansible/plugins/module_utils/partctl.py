# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""partctl as the modules call it, and its answers as data."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re
import socket

DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/sbin']
WAITING = '/var/lib/partd/confirm'
HELD = '/run/partd/held'
BUS = '/run/partd/bus'

# partctl's exit codes (partctl(8), EXIT STATUS).
DONE, DIFFERENCES, USAGE, INVALID, OUT_OF_REACH, NOT_PERMITTED, SOME_FAILED, REFUSED, NOT_CONVERGED = range(9)

PARTCTL_ARGUMENT = dict(partctl=dict(type='path'))


class Missing(Exception):
    """There is no partctl on the host."""


def find(module):
    """The path of partctl; raises Missing."""
    named = module.params.get('partctl')
    if named:
        if os.path.isfile(named) and os.access(named, os.X_OK):
            return named
        raise Missing('partctl is not at %s, which the option partctl names.' % named)
    found = module.get_bin_path('partctl', opt_dirs=DIRECTORIES)
    if found:
        return found
    raise Missing('partctl is not installed on this host: it is neither in PATH nor in %s. Install partd first '
                  '(the role partd.host.partd does with partd_package), or name it by the option partctl.'
                  % ', '.join(DIRECTORIES))


def seconds(text):
    """"90", "90s" and "2min" as seconds; None where it is none of those."""
    match = re.match(r'^([0-9]+)(ms|s|min|m|h)?$', str(text).strip())
    if not match:
        return None
    return int(match.group(1)) * {'ms': 0.001, 's': 1, None: 1, 'm': 60, 'min': 60, 'h': 3600}[match.group(2)]


def duration(text):
    """A number as partctl wants it."""
    found = seconds(text)
    if found is None or found <= 0:
        raise ValueError('"%s" is not a duration such as 60, "60s" or "2min"' % text)
    return '%dms' % round(found * 1000)


class Answer(object):
    """What partctl said: exit code, text and, with --json, the object."""

    def __init__(self, code, out, err, mirror=None):
        self.code = code
        self.out = mirror.back(out) if mirror else out
        self.err = mirror.back(err) if mirror else err
        try:
            self.data = json.loads(self.out) if self.out.lstrip().startswith('{') else {}
        except ValueError:
            self.data = {}

    def errors(self):
        """The errors of files and of changes, each with file and line where they have one."""
        found = list(self.data.get('errors') or [])
        for failed in self.data.get('failed') or []:
            found.append(dict(file=failed.get('file'), line=failed.get('line'), column=None, message=failed.get('error')))
        return found

    def reason(self):
        """The word for why there is no answer; None where there is one."""
        return (self.data.get('error') or {}).get('code')

    def words(self):
        """What went wrong, a line each."""
        told = [self.data['error']['message']] if self.reason() else []
        for each in self.errors():
            place = ':'.join(str(each[part]) for part in ('file', 'line', 'column') if each.get(part) is not None)
            told.append('%serror: %s' % (place + ': ' if place else '', each.get('message')))
        for each in self.data.get('conflicts') or []:
            told.append('%s:%s: conflict: %s %s: %s has it' % (
                each.get('file'), each.get('line'), each.get('kind'), each.get('name'), each.get('holder')))
        for each in self.data.get('skipped') or []:
            told.append('skipped %s %s, which needs %s' % (each.get('kind'), each.get('name'), each.get('because')))
        lines = [line for line in self.err.splitlines() if line.strip()]
        # A pause is told by the modules, as it is when partctl has ended.
        lines = [line for line in lines if not line.startswith('partctl: the files are paused')]
        return (told or [line for line in lines if line.startswith('partctl: ')] or lines
                or ['partctl ended with %d' % self.code])

    def warnings(self):
        return ['%s:%s: %s' % (each['file'], each['line'], each['message']) for each in self.data.get('warnings') or []]


class Partctl(object):
    def __init__(self, module):
        self.module = module
        self.path = find(module)

    def run(self, *arguments, **options):
        """options: json, mirror (a Mirror to work on in place of the host's files), data (standard input)."""
        mirror = options.get('mirror')
        command = [self.path, '--color', 'never']
        if mirror:
            # partd would answer by the host's own files.
            command += ['--no-daemon', '--root', mirror.root]
        if options.get('json', True):
            command.append('--json')
        command += [str(each) for each in arguments]
        code, out, err = self.module.run_command(command, data=options.get('data'), environ_update=dict(LC_ALL='C.UTF-8'))
        return Answer(code, out, err, mirror)

    def plan(self, mirror=None):
        """What apply would do, a line a change, as partctl prints it."""
        answer = self.run('--no-legend', 'diff', mirror=mirror, json=False)
        return answer.out if answer.code in (DONE, DIFFERENCES, REFUSED) else ''


def waits_to_be_confirmed():
    return os.path.exists(WAITING)


def files_are_held():
    return os.path.exists(HELD)


def partd_runs():
    """partd answers on its socket."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(5)
        connection.connect(BUS)
        return True
    except (IOError, OSError):
        return False
    finally:
        connection.close()
