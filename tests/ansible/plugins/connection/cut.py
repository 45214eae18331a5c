# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The local connection, as long as the link pv-cut is not on the host: a change that cuts the controller off. With CUT=once
the change ends the connection that it came by, and new ones stand.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
name: cut
short_description: a connection that a partition named cut interrupts, for the tests
description: [Runs commands on this machine.]
author: the authors of partd (@partd)
extends_documentation_fragment: [connection_pipelining]
'''

import os
import socket

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local


def is_cut():
    return 'pv-cut' in (name for dummy, name in socket.if_nameindex())


class Connection(Local):
    transport = 'cut'

    def exec_command(self, cmd, in_data=None, sudoable=True):
        once = os.environ.get('CUT') == 'once'
        before = is_cut()
        if before and not once:
            raise AnsibleConnectionFailure('the link pv-cut is in the way')
        answer = super(Connection, self).exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if once and is_cut() and not before:
            raise AnsibleConnectionFailure('the link pv-cut came')
        return answer

    def reset(self):
        self._connected = False
