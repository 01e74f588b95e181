"""A weighd with postgrey's configuration, for what only a running daemon can show.

One for all tests of a run, started by the first that wants it.  The program is WEIGHD in the
environment, or build/weighd.
"""

import os
import shutil
import socket

import sequences
import servers

PATIENCE_S = 20
STATE = {}


def world():
    if 'world' not in STATE:
        STATE['world'] = servers.World()
    return STATE['world']


def make(name, options, store):
    """A daemon with postgrey's options, and a store."""
    program = os.environ.get('WEIGHD') or str(sequences.ROOT / 'build' / 'weighd')
    config = sequences.imported('postgrey',
                                text=f'postgrey --inet={servers.free_port()} {options}\n',
                                replace=[('^store .*$', f'store {store}')])
    return world().make(servers.Weighd, name, program, config)


def daemon():
    if 'weighd' not in STATE:
        recipients = world().folder / 'recipients'
        recipients.write_text('postmaster@\n')
        STATE['weighd'] = make('weighd', '--delay=1 --greylist-text=later '
                               f'--whitelist-recipients={recipients}', 'memory')
    return STATE['weighd']


def with_database(dump):
    """A daemon that knows what a dump of postgrey's database says, on its own disk."""
    weighd = make('weighd-disk', '--greylist-text=later',
                  f'sqlite "{world().folder}/weighd-disk/state.db"')
    weighd.stop()
    path = world().folder / 'dump'
    path.write_text(dump)
    lines, _ = sequences.run('import', 'postgrey', '-', '--database', path, text='')
    sequences.run('store', 'import', '--config', weighd.config, '-', text=lines)
    if os.geteuid() == 0:
        for file in weighd.folder.glob('state.db*'):
            shutil.chown(file, 'nobody')
    return weighd


def end():
    if 'world' in STATE:
        STATE['world'].end()


class Client:
    """One connection, as an MTA has it."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def replies(self, count):
        """So many replies, or all there are until the other side closes."""
        data = b''
        while data.count(b'\n\n') < count:
            more = self.socket.recv(65536)
            if not more:
                break
            data += more
        return data

    def ask(self, data, count=1):
        self.socket.sendall(data)
        return self.replies(count)

    def ask_and_close(self, data):
        """Send, half-close, and read until the other side closes, too."""
        self.socket.sendall(data)
        self.socket.shutdown(socket.SHUT_WR)
        return self.replies(float('inf'))


def client(weighd=None):
    return Client((weighd or daemon()).port)
