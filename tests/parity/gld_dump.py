#!/usr/bin/env python3
"""Dumps as the real mysqldump and sqlite3 write them, of values that are hard to write down, read by
`weighctl import gld`: every row is there, byte for byte.

Without MariaDB in build/servers its part says that it was skipped.
"""

import getpass
import json
import os
import pathlib
import select
import sqlite3
import subprocess
import sys
import tempfile

import sequences
from sequences import run

SERVERS = pathlib.Path(os.environ.get('WEIGHD_SERVERS', 'build/servers')).absolute() / 'root'
COLUMNS = ('CREATE TABLE greylist (ip char(45) NOT NULL, sender varchar(242) NOT NULL, '
           'recipient varchar(242) NOT NULL, first int, last int, n int)')
SENDERS = ["o'brien@x.example", 'u\\', '"quoted"@x.example', 'a\\\'b@x.example', "');--@x.example",
           'tab\there@x.example', 'back`tick@x.example', '/*no*/#comment@x.example',
           "x','1.1.1.1'),('y@x.example", '100%_@x.example', '\u00e9\u4e2d@x.example', '\\N', '\\.',
           'a;b@x.example', "E'x'@x.example", 'x' * 242]


def key(sender):
    """As weigh/key.h writes it."""
    return ''.join(f'%{ord(letter):02x}' if letter in ' %\t' else letter for letter in sender.lower())


def check(dump):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'dump.sql'
        path.write_bytes(dump)
        found = run('import', 'gld', '-', '--database', path, text='')[0]
    keys = [json.loads(line)['key'] for line in found.splitlines()]
    wanted = [f'192.0.2.{number} {key(sender)} b@y.example' for number, sender in enumerate(SENDERS)]
    if any(len(text) > 255 for text in wanted):  # such a key ends with a hash
        keys, wanted = [text[:200] for text in keys], [text[:200] for text in wanted]
    if keys != wanted:
        raise AssertionError('\n'.join(f'{a!r} {b!r}' for a, b in zip(keys, wanted) if a != b) or
                             f'{len(keys)} rows of {len(wanted)}')


def of_sqlite():
    with sqlite3.connect(':memory:') as db:
        db.execute(COLUMNS)
        db.executemany('INSERT INTO greylist VALUES (?, ?, ?, 1700000000, 1700000500, 2)',
                       [(f'192.0.2.{number}', sender, 'b@y.example')
                        for number, sender in enumerate(SENDERS)])
        check('\n'.join(db.iterdump()).encode())


class MariaDB:
    """One of its own, behind a Unix socket."""

    def __init__(self, folder):
        libraries = ':'.join(map(str, (SERVERS / 'usr/lib').glob('*-linux-gnu*')))
        self.environment = {**os.environ, 'LD_LIBRARY_PATH': libraries, 'LC_ALL': 'C.UTF-8'}
        self.socket = folder / 'socket'
        data, user = folder / 'data', getpass.getuser()
        data.mkdir()
        common = ['--no-defaults', f'--basedir={SERVERS}/usr', f'--datadir={data}', f'--user={user}']
        self.run('mariadb-install-db', *common, '--skip-test-db', '--cross-bootstrap',
                 '--auth-root-authentication-method=normal')
        self.log = open(folder / 'log', 'wb')
        self.process = subprocess.Popen(
            [SERVERS / 'usr/sbin/mariadbd', *common, f'--socket={self.socket}', '--skip-networking',
             f'--lc-messages-dir={SERVERS}/usr/share/mysql', f'--pid-file={folder}/pid'],
            env=self.environment, stdout=self.log, stderr=self.log)
        while not self.socket.exists():
            if self.process.poll() is not None:
                raise AssertionError('mariadbd does not start:\n' + (folder / 'log').read_text())
            select.select([], [], [], 0.05)  # nothing tells when it is there: look again

    def run(self, program, *arguments, text=None):
        done = subprocess.run([SERVERS / 'usr/bin' / program, *arguments], env=self.environment,
                              input=text, capture_output=True, check=False,
                              timeout=sequences.DECIDE_S)
        if done.returncode != 0:
            raise AssertionError(f'{program}: {done.stderr.decode()}')
        return done.stdout

    def sql(self, text):
        self.run('mariadb', '--no-defaults', f'--socket={self.socket}',
                 '--default-character-set=utf8mb4', text=text.encode())

    def dump(self, *options):
        return self.run('mysqldump', '--no-defaults', f'--socket={self.socket}', *options, 'gld')

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def of_mysql():
    with tempfile.TemporaryDirectory() as name:
        server = MariaDB(pathlib.Path(name))
        try:
            rows = ',\n'.join(f"('192.0.2.{number}', X'{sender.encode().hex()}', 'b@y.example', "
                              '1700000000, 1700000500, 2)' for number, sender in enumerate(SENDERS))
            server.sql('CREATE DATABASE gld CHARACTER SET utf8mb4; USE gld;\n'
                       f'{COLUMNS} ENGINE=MyISAM; INSERT INTO greylist VALUES {rows};')
            for options in ([], ['--complete-insert'], ['--skip-extended-insert'], ['--compact'],
                            ['--no-create-info', '--skip-opt'],
                            ['--compatible=ansi', '--default-character-set=utf8mb4'],
                            ['--replace', '--hex-blob']):
                print(f'# mysqldump {" ".join(options)}')
                check(server.dump(*options))
        finally:
            server.close()


def main():
    print('1..2')
    sound = sequences.run_one(1, 'sqlite', of_sqlite)
    if os.access(SERVERS / 'usr/sbin/mariadbd', os.X_OK):
        sound &= sequences.run_one(2, 'mysqldump', of_mysql)
    else:
        print(f'ok 2 - mysqldump # SKIP MariaDB is not unpacked in {SERVERS}')
    sys.exit(not sound)


main()
