"""The real policyd-rate-limit under a virtual clock: each request brings its time.

    rate_limit_real.py FOLDER_OF_ITS_PACKAGE CONFIG

Everything else is its own: reader, socket, decisions, SQLite, which only does not wait for the disk.  Where there is no yaml module, JSON is
read instead, which is YAML, too.
"""

import json
import sqlite3
import sys
import time
import types

NOW = [time.time()]
CONNECT = sqlite3.connect


def connect(*arguments, **options):
    database = CONNECT(*arguments, **options)
    database.execute('PRAGMA synchronous = OFF')
    database.execute('PRAGMA journal_mode = MEMORY')
    return database


def main(folder, config):
    sys.path.insert(0, folder)
    try:
        import yaml  # noqa: F401
    except ImportError:
        sys.modules['yaml'] = types.SimpleNamespace(load=lambda file, **_: json.load(file),
                                                    safe_load=json.load)
    time.time = lambda: NOW[0]
    sqlite3.connect = connect
    from policyd_rate_limit import policyd, utils
    utils.config.setup(config)
    decide = policyd.Policyd.action

    def action(self, connection, request):
        NOW[0] = float(request.pop('virtual_time'))
        decide(self, connection, request)

    policyd.Policyd.action = action
    server = policyd.Policyd()
    server.socket()
    server.run()


main(*sys.argv[1:])
