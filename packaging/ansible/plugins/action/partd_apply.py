# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Applies by the module. With `confirm` it then opens a new connection, and confirms over that: the change is kept only if
the controller still reaches the host. A part that failed is taken back at once, so that nothing waits when the play ends.

A change may also end the connection that it came by, or leave it half open, where an SSH client waits for ever. So the
client is told to notice that, and a new connection tells what came of the change.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import time

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.vars import merge_hash
from ansible_collections.partd.host.plugins.module_utils.partctl import seconds

MODULE = 'partd.host.partd_apply'
# After its time is over partd needs a moment to go back, and the network may need one to settle.
MARGIN = 15
STAY = 'The files stay as they were written; the next run, or partctl apply, takes them up again.'
GONE_BACK = dict(reverted=True, changed=False,
                 msg='No new connection to the host stood before the time to confirm was over: partd went back to what was '
                     'there before. ' + STAY)
UNREACHABLE = dict(unreachable=True, changed=False,
                   msg='No new connection to the host stands, also after the time to confirm. partd goes back to what was '
                       'there before as long as it runs. ' + STAY)


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        del tmp
        arguments = self._task.args
        confirm = seconds(arguments.get('confirm') or '')
        confirms = confirm and arguments.get('confirm_by', 'connection') == 'connection'
        if self._play_context.check_mode or not confirms or arguments.get('state', 'applied') != 'applied':
            return merge_hash(result, self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars))
        self.notice_loss(confirm)
        end = time.time() + confirm + MARGIN
        applied, lost = self.attempt(arguments, task_vars)
        result = merge_hash(result, applied)
        if lost:
            return merge_hash(result, self.after_loss(lost, end, task_vars))
        if not result.get('waits'):
            return result
        if result.get('failed'):
            return self.revert(result, task_vars)
        return self.confirm(result, end, task_vars)

    def notice_loss(self, confirm):
        """Has an SSH client end a connection that is dead, well before partd goes back. A setting of the user comes first."""
        try:
            given = self._connection.get_option('ssh_common_args') or ''
            alive = ' -o ServerAliveInterval=%d -o ServerAliveCountMax=3' % max(1, min(5, confirm // 8))
            self._connection.set_option('ssh_common_args', given + alive)
        except (AttributeError, KeyError):
            return  # another kind of connection
        self.reconnect()

    def attempt(self, arguments, task_vars):
        """The module's result and None, or nothing and the reason why there was no connection."""
        try:
            found = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
            return ({}, to_text(found.get('msg'))) if found.get('unreachable') else (found, None)
        except AnsibleConnectionFailure as error:
            return {}, to_text(error)

    def reconnect(self):
        """Closes what stands, so that the next command comes over a connection that is new."""
        if type(self._connection).reset is not ConnectionBase.reset:
            try:
                self._connection.reset()
            except AnsibleConnectionFailure:
                pass
        # The former temporary directory is found no more by a connection to what may be another root.
        self._connection._shell.tmpdir = None

    def ask(self, state, end, task_vars):
        """The result of that state over a new connection, or None when there was none until `end`."""
        arguments = dict(state=state)
        if self._task.args.get('partctl'):
            arguments['partctl'] = self._task.args['partctl']
        while True:
            self.reconnect()
            found, lost = self.attempt(arguments, task_vars)
            if not lost:
                return found
            if time.time() > end:
                return None
            time.sleep(0.5)

    def confirm(self, result, end, task_vars):
        kept = self.ask('confirmed', end, task_vars)
        result['waits'] = False
        result['confirmed'] = bool(kept and kept.get('changed'))
        if result['confirmed']:
            return result
        result['failed'] = True
        if kept is None:
            result.update(UNREACHABLE)
        elif kept.get('failed'):
            result['msg'] = 'The change could not be confirmed; partd goes back. ' + to_text(kept.get('msg'))
        else:
            result.update(GONE_BACK)
        return result

    def after_loss(self, lost, end, task_vars):
        """The connection went while partctl ran. The change is kept where it is whole and a new connection stands."""
        found = self.ask('settled', end, task_vars)
        if found is None:
            return dict(UNREACHABLE, failed=True)
        said = 'The connection was lost during the change (%s).' % lost.strip()
        if found.get('failed'):
            return dict(failed=True, msg='%s What came of it cannot be told: %s' % (said, to_text(found.get('msg'))))
        if found.get('confirmed') or not found.get('differs'):
            return dict(changed=bool(found.get('confirmed')), confirmed=bool(found.get('confirmed')), waits=False,
                        warnings=[said + ' A new one stood, and all is as declared.'])
        if found.get('reverted'):
            return dict(failed=True, reverted=True, changed=False, waits=False,
                        msg=said + ' A part of it had not been done, so the host went back to what was there before. ' + STAY)
        return dict(GONE_BACK, failed=True, waits=False, msg='%s %s' % (said, GONE_BACK['msg']))

    def revert(self, result, task_vars):
        back = self.ask('reverted', 0, task_vars) or dict(failed=True, msg='no connection stood', waits=True)
        result['waits'] = bool(back.get('waits'))
        result['reverted'] = not back.get('failed')
        if result['reverted']:
            result['changed'] = False
            result['msg'] += '\nThe host went back to what was there before. ' + STAY
        else:
            result['msg'] += '\nGoing back failed as well: %s' % to_text(back.get('msg'))
        return result
