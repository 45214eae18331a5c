# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Applies by the module. With `confirm` it then opens a new connection, and confirms over that: the change is kept only if
the controller still reaches the host. A part that failed is taken back at once, so that nothing waits when the play ends.
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


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        del tmp
        arguments = self._task.args
        confirm = seconds(arguments.get('confirm') or '')
        confirms = confirm and arguments.get('confirm_by', 'connection') == 'connection'
        if self._play_context.check_mode or not confirms or arguments.get('state', 'applied') != 'applied':
            return merge_hash(result, self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars))
        end = time.time() + confirm + MARGIN
        applied, lost = self.attempt(arguments, task_vars)
        result = merge_hash(result, applied)
        if lost or result.get('unreachable'):
            # Nobody knows how far it came: partd goes back, or went on to what the next look below finds.
            return self.after_loss(result, lost, end, task_vars)
        if not result.get('waits'):
            return result
        if result.get('failed'):
            return self.revert(result, task_vars)
        return self.confirm(result, end, task_vars)

    def attempt(self, arguments, task_vars):
        """The module's result and None, or what was lost."""
        try:
            found = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
            return (found, None) if not found.get('unreachable') else ({}, found.get('msg'))
        except AnsibleConnectionFailure as error:
            return {}, to_text(error)

    def reconnect(self):
        """Closes what stands, so that the next command comes over a connection that is new."""
        if type(self._connection).reset is not ConnectionBase.reset:
            try:
                self._connection.reset()
            except AnsibleConnectionFailure:
                pass
        # The former temporary directory belongs to the connection that is gone.
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
            result['unreachable'] = True
            result['msg'] = ('No new connection to the host stood in time after the change. partd goes back to what was there '
                             'before, as long as it runs; the files stay as they were written.')
        elif kept.get('failed'):
            result['msg'] = 'The change could not be confirmed; partd goes back. ' + to_text(kept.get('msg'))
        else:
            result.update(self.gone_back())
        return result

    def after_loss(self, result, lost, end, task_vars):
        """The connection went while partctl ran: what came of it is asked over a new one, after partd's time."""
        result['msg'] = 'The connection was lost during the change (%s). ' % lost
        found = self.ask('reverted', end, task_vars)
        result['failed'] = True
        if found is None:
            result['unreachable'] = True
            result['msg'] += 'The host did not answer until its time to be confirmed was over; partd goes back as long as it runs.'
        else:
            result['reverted'] = True
            result['changed'] = False
            result['msg'] += 'The host is what it was before, as far as the change had been made; the files stay as written.'
        return result

    def revert(self, result, task_vars):
        back = self._execute_module(module_name=MODULE, module_args=dict(
            (name, value) for name, value in dict(self._task.args, state='reverted').items()
            if name in ('state', 'partctl')), task_vars=task_vars)
        result['waits'] = bool(back.get('waits'))
        result['reverted'] = not back.get('failed')
        if result['reverted']:
            result['changed'] = False
            result['msg'] += '\nThe host went back to what was there before; the files stay as they were written.'
        else:
            result['msg'] += '\nGoing back failed as well: %s' % to_text(back.get('msg'))
        return result

    @staticmethod
    def gone_back():
        return dict(reverted=True, changed=False,
                    msg='No new connection to the host stood before the time to confirm was over: partd went back to what was '
                        'there before. The files stay as they were written; partctl apply takes them up again.')
