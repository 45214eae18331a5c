# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The local connection, as long as the link pv-cut is not on the host: a change that cuts the controller off."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
name: cut
short_description: a connection that a partition named cut interrupts, for the tests
description: [Runs commands on this machine. With CUT=during a command that makes the link loses its answer.]
author: the authors of partd (@partd)
extends_documentation_fragment: [connection_pipelining]
'''

import os
import socket

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local


class Connection(Local):
    transport = 'cut'

    def refuse(self):
        if 'pv-cut' in (name for dummy, name in socket.if_nameindex()):
            raise AnsibleConnectionFailure('the link pv-cut is in the way')

    def exec_command(self, cmd, in_data=None, sudoable=True):
        self.refuse()
        answer = super(Connection, self).exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if os.environ.get('CUT') == 'during':
            self.refuse()
        return answer

    def put_file(self, in_path, out_path):
        self.refuse()
        super(Connection, self).put_file(in_path, out_path)

    def reset(self):
        self._connected = False
