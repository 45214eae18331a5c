# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The configuration files of a directory: read, edited, tried out beside the others, and written."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time

from ansible_collections.partd.host.plugins.module_utils import toml_writer

try:
    import tomllib as toml_reader
except ImportError:  # before Python 3.11
    try:
        import tomli as toml_reader
    except ImportError:
        toml_reader = None

# The directories that partd reads. Files elsewhere are a document of their own.
READ = ('/usr/lib/partd', '/run/partd', '/etc/partd')
HEADER = '# Managed by Ansible: what is changed here is lost at its next run.\n\n'

# The values of these keys are secrets (partctl(8), SECURITY).
SECRETS = re.compile(r'^\s*(\[[^\]]*\benvironment\b|(.*[.{,\s])?environment\s*[.=])', re.MULTILINE)


class Wrong(Exception):
    """The task cannot be carried out as it stands; args[0] says why."""


def file_name(name):
    """"web" and "web.toml" are the file web.toml."""
    full = name if name.endswith('.toml') else name + '.toml'
    if '/' in full or '\0' in full or full[0] in '.#' or full == '.toml':
        raise Wrong('"%s" is not a name of a configuration file: it has no slash, and begins with neither "." nor "#"' % name)
    return full


def is_read(name):
    """partd reads files of such a name."""
    return name.endswith('.toml') and len(name) > 5 and name[0] not in '.#'


def dotted(path):
    """Below these tables the language has the kernel's own names, with dots: memory.max, net.ipv4.ip_forward."""
    if len(path) == 2:
        return path[0] == 'slice'
    return len(path) == 3 and path[0] in ('partition', 'template') and path[2] in ('cgroup', 'sysctl')


def unfold(config):
    """The data with tables in place of dotted keys."""
    return toml_writer.unfold(config, dotted)


def rendered(config):
    try:
        return HEADER + toml_writer.dumps(unfold(config), dotted)
    except toml_writer.NotToml as error:
        raise Wrong('config: %s' % error)


def parsed(text, path):
    if toml_reader is None:
        raise Wrong('reading TOML needs Python 3.11 or later on the host, or the Python package tomli')
    try:
        return toml_reader.loads(text)
    except ValueError as error:
        raise Wrong('%s: %s' % (path, error))


def merged(text, config, path):
    """The text with the keys of config; the text itself where it says that already."""
    before = parsed(text or '', path)
    after = toml_writer.merge(before, unfold(config))
    return text if text and after == before else rendered(after)


MASK = 'a link to /dev/null'


class File(object):
    """A file as it is, or is to be. text None: there is none. '': a link to /dev/null, which masks."""

    def __init__(self, text=None, mode=None, odd=None):
        self.text = text
        self.mode = mode
        self.odd = odd  # why partd refuses it: a link, a directory

    def is_secret(self):
        return self.mode is not None and not self.mode & 0o004


def read_file(path):
    try:
        found = os.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return File()
        raise
    if stat.S_ISLNK(found.st_mode):
        if os.readlink(path) == '/dev/null':
            return File('', 0o644, odd=MASK)
        return File('', 0o644, odd='a symbolic link')
    if not stat.S_ISREG(found.st_mode):
        raise Wrong('%s is not a regular file' % path)
    with open(path, 'rb') as file:
        raw = file.read()
    odd = None if found.st_uid == 0 and found.st_nlink == 1 else 'a file with other names or of another owner'
    return File(raw.decode('utf-8', 'surrogateescape'), stat.S_IMODE(found.st_mode), odd)


def names_in(directory):
    try:
        return sorted(name for name in os.listdir(directory) if is_read(name))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return []
        raise


class Directory(object):
    """One directory with edits: a name and the File that it is to be."""

    def __init__(self, path):
        self.path = path
        self.edits = {}
        self.before = {}

    def at(self, name):
        return os.path.join(self.path, name)

    def file(self, name):
        if name not in self.before:
            self.before[name] = read_file(self.at(name))
        return self.before[name]

    def edit(self, name, text, mode=None):
        before = self.file(name)
        if text is None:
            after = File()
        else:
            if mode is None:
                mode = before.mode if before.text is not None and not before.odd else 0o644
                mode &= ~0o022  # partd refuses what others may write
                if SECRETS.search(text):
                    mode &= ~0o077
            after = File(text, mode)
        self.edits[name] = after

    def changes(self):
        """(name, before, after) of the edits that change something."""
        found = []
        for name in sorted(self.edits):
            before, after = self.file(name), self.edits[name]
            same = before.text == after.text and (after.text is None or (before.mode == after.mode and not before.odd))
            if not (before.odd == MASK if after.text == '' else same):
                found.append((name, before, after))
        return found

    def write(self, backup):
        """Writes the edits; each file is there as a whole or not at all. All texts are on the disk before the first
        one gets its name. Returns name → what backup() gave for the former file."""
        changes, drafts, kept = self.changes(), [], {}
        if not changes:
            return kept
        if not os.path.isdir(self.path):
            os.makedirs(self.path, 0o755)
        try:
            for name, dummy, after in changes:
                if after.text is not None:
                    drafts.append((self.draft(name, after), name))
            for name, before, dummy in changes:
                if backup and before.text is not None and not before.odd:
                    kept[name] = backup(self.at(name))
            while drafts:
                draft, name = drafts[0]
                os.rename(draft, self.at(name))
                drafts.pop(0)
        finally:
            for draft, dummy in drafts:
                os.unlink(draft)
        for name, dummy, after in changes:
            if after.text is None and os.path.lexists(self.at(name)):
                os.unlink(self.at(name))
        synchronize(self.path)
        return kept

    def draft(self, name, after):
        """A file beside the one that it is to be, under a name that partd does not read."""
        descriptor, path = tempfile.mkstemp(prefix='.%s.' % name, suffix='.ansible', dir=self.path)
        if after.text == '':
            os.close(descriptor)
            os.unlink(path)
            os.symlink('/dev/null', path)
            return path
        try:
            with os.fdopen(descriptor, 'wb') as file:
                file.write(after.text.encode('utf-8', 'surrogateescape'))
                file.flush()
                os.fchmod(file.fileno(), after.mode)
                os.fchown(file.fileno(), os.geteuid(), os.getegid())
                os.fsync(file.fileno())
        except BaseException:
            os.unlink(path)
            raise
        return path


def synchronize(directory):
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Lock(object):
    """One task at a time edits the files of a host: what was found valid is still so when it is written."""

    PATH = '/run/partd-ansible.lock'  # of root alone: in /run/lock anybody could hold it

    def __init__(self, patience=60):
        self.patience = patience
        self.descriptor = None

    def __enter__(self):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = os.open(self.PATH, flags, 0o600)
        end = time.time() + self.patience
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except (IOError, OSError) as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            if time.time() > end:
                raise Wrong('another task has edited the files of this host for %d s (%s is locked)' % (self.patience, self.PATH))
            time.sleep(0.05)

    def __exit__(self, *dummy):
        os.close(self.descriptor)


class Mirror(object):
    """A root directory that is the host's by links, but for one directory of configuration files, which is a copy with
    edits. partctl --root on it tells what the files would say, and what apply would do, before they are written."""

    def __init__(self, directory, edits, work):
        """edits: name → File. work: an existing directory for it, of root alone."""
        self.root = tempfile.mkdtemp(prefix='mirror-', dir=work)
        os.chmod(self.root, 0o755)
        parts = [part for part in directory.split('/') if part]
        here, there = '/', self.root
        for part in parts:
            self.link_all(here, there, part)
            here, there = os.path.join(here, part), os.path.join(there, part)
            os.mkdir(there, 0o755)
        if os.path.isdir(here):
            found = os.stat(here)  # partd refuses one that others may write
            os.chown(there, found.st_uid, found.st_gid)
            os.chmod(there, stat.S_IMODE(found.st_mode))
        self.link_all(here, there, None, skip=is_read)
        for name in set(names_in(directory)) | set(edits):
            edited = edits.get(name)
            if edited is None:
                self.copy(os.path.join(directory, name), os.path.join(there, name))
            elif edited.text is not None:
                write_plain(os.path.join(there, name), edited)

    def __enter__(self):
        return self

    def __exit__(self, *dummy):
        shutil.rmtree(self.root, ignore_errors=True)

    @staticmethod
    def link_all(here, there, but, skip=lambda name: False):
        if os.path.isdir(here):
            for name in os.listdir(here):
                if name != but and not skip(name):
                    os.symlink(os.path.join(here, name), os.path.join(there, name))

    @staticmethod
    def copy(source, target):
        found = os.lstat(source)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), target)
        elif stat.S_ISREG(found.st_mode):
            shutil.copyfile(source, target)
            os.chown(target, found.st_uid, found.st_gid)
            os.chmod(target, stat.S_IMODE(found.st_mode))
        else:
            os.symlink(source, target)

    def back(self, text):
        """The text with the names of the host's files."""
        return text.replace(self.root, '')


def write_plain(path, file):
    if file.text == '':
        os.symlink('/dev/null', path)
        return
    with open(path, 'wb') as out:
        out.write(file.text.encode('utf-8', 'surrogateescape'))
    os.chmod(path, file.mode if file.mode is not None else 0o644)


TABLE = re.compile(r'^\s*\[\[?[A-Za-z0-9_.\-\s]+\]\]?\s*$')
KEY = re.compile(r'^(\s*[A-Za-z0-9_.\-]+\s*=).*$')


def masked(text, former=None):
    """The text of a file that others may not read, with names and no values. A line that `former` has not is marked."""
    known = None if former is None else set(former.splitlines())
    lines = []
    for line in (text or '').splitlines():
        if line.strip() and not TABLE.match(line):
            match = KEY.match(line)
            mark = ' (another value)' if known is not None and line not in known else ''
            line = (match.group(1) + ' ***' if match else '***') + mark
        lines.append(line)
    return ''.join(line + '\n' for line in lines)


def difference(directory, name, before, after):
    """The entries of --diff for one file."""
    path = directory.at(name)
    secret = before.is_secret() or after.is_secret()
    found = []
    if before.text != after.text or before.odd:
        old, new = before.text or '', after.text or ''
        if secret:
            old, new = masked(before.text), masked(after.text, before.text)
        found.append(dict(
            before=old, after=new,
            before_header=path if before.text is not None else path + ' (absent)',
            after_header=path if after.text is not None else path + ' (absent)'))
    if before.mode is not None and after.mode is not None and before.mode != after.mode:
        found.append(dict(
            before='mode %04o\n' % before.mode, after='mode %04o\n' % after.mode,
            before_header=path, after_header=path))
    return found


def excerpt(directory, problem):
    """file:line:column: error: message, and the line itself where only this task has it."""
    path, line = problem.get('file'), problem.get('line')
    text = '%s:%s:%s: error: %s' % (path, line, problem.get('column'), problem.get('message'))
    edited = directory.edits.get(os.path.basename(path or ''))
    if edited is None or edited.text is None or edited.is_secret() or os.path.dirname(path) != directory.path:
        return text
    lines = edited.text.splitlines()
    if line and line <= len(lines):
        text += '\n  %d | %s' % (line, lines[line - 1])
    return text
