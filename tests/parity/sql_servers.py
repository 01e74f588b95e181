"""Real database servers, each with a folder of its own behind a Unix socket, for the dumps that only
they can write.  They come from build/servers, or are installed.
"""

import getpass
import os
import pathlib
import select
import shutil
import subprocess
import sys

import sequences

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))

from servers import UNPACKED, library_path, user_group  # noqa: E402

ROOTS = (UNPACKED, pathlib.Path('/'))
UTF8 = 'C.UTF-8'


def find(pattern):
    """The newest file of that kind, unpacked or installed; None."""
    for root in ROOTS:
        found = sorted(path for path in root.glob(pattern) if os.access(path, os.X_OK))
        if found:
            return found[-1]
    return None


class Server:
    """What both have: programs, a process, its log."""

    def __init__(self, folder, user=None):
        self.folder = folder
        self.environment = {**{name: text for name, text in os.environ.items()
                               if not name.startswith(('PG', 'MYSQL'))},
                            'LD_LIBRARY_PATH': library_path(), 'LC_ALL': UTF8}
        self.as_user = {}
        if user is not None:
            self.as_user = {'user': user, 'group': user_group(user), 'extra_groups': []}
        self.log = folder / 'log'

    def start(self, arguments, is_ready):
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(list(map(str, arguments)), env=self.environment,
                                            cwd=self.folder, stdout=log, stderr=log, **self.as_user)
        while not is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f'{arguments[0]} does not start:\n{self.log.read_text()}')
            select.select([], [], [], 0.05)  # nothing tells when it is there: look again

    def make(self, text, database):
        """The database of the test; without it nobody would end the server."""
        try:
            self.sql(text, database)
        except BaseException:
            self.close()
            raise

    def run(self, program, *arguments, text=None):
        done = subprocess.run([program, *map(str, arguments)], env=self.environment, input=text,
                              cwd=self.folder, capture_output=True, check=False,
                              timeout=sequences.DECIDE_S, **self.as_user)
        if done.returncode != 0:
            raise AssertionError(f'{program}: {done.stderr.decode()}')
        return done.stdout

    def close(self):
        self.process.terminate()
        self.process.wait()


class MariaDB(Server):
    PROGRAM = 'usr/sbin/mariadbd'
    DATABASE = 'CREATE DATABASE old CHARACTER SET utf8mb4'
    OPTIONS = ([], ['--complete-insert'], ['--skip-extended-insert'], ['--compact'],
               ['--no-create-info', '--skip-opt'], ['--replace', '--hex-blob'], ['--insert-ignore'],
               ['--compatible=ansi', '--default-character-set=utf8mb4'],
               ['--compatible=postgresql', '--compact', '--default-character-set=utf8mb4'],
               ['--quote-names=0', '--skip-comments', '--complete-insert'],
               ['--order-by-primary', '--skip-quote-names', '--skip-extended-insert',
                '--no-create-info', '--hex-blob'],
               ['--all-databases', '--routines', '--events', '--triggers'])

    def __init__(self, folder):
        super().__init__(folder)
        server = find(self.PROGRAM)
        self.programs = server.parent.parent / 'bin'
        data, self.socket = folder / 'data', folder / 'socket'
        data.mkdir()
        common = ['--no-defaults', f'--basedir={server.parent.parent}', f'--datadir={data}',
                  f'--user={getpass.getuser()}']
        self.run(self.programs / 'mariadb-install-db', *common, '--skip-test-db',
                 '--cross-bootstrap', '--auth-root-authentication-method=normal')
        self.start([server, *common, f'--socket={self.socket}', '--skip-networking',
                    f'--lc-messages-dir={server.parent.parent}/share/mysql',
                    f'--pid-file={folder}/pid'], self.socket.exists)
        self.make(self.DATABASE, 'mysql')

    def sql(self, text, database='old'):
        self.run(self.programs / 'mariadb', '--no-defaults', f'--socket={self.socket}', '--user=root',
                 '--default-character-set=utf8mb4', database, text=text.encode())

    def dump(self, *options):
        return self.run(self.programs / 'mysqldump', '--no-defaults', f'--socket={self.socket}',
                        '--user=root', *options, *([] if '--all-databases' in options else ['old']))

    @staticmethod
    def text(value):
        return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"


class PostgreSQL(Server):
    """It serves nobody who is root: there it runs as nobody."""

    PROGRAM = 'usr/lib/postgresql/*/bin/postgres'
    OPTIONS = ([], ['--inserts'], ['--column-inserts'], ['--rows-per-insert=3'], ['--data-only'],
               ['--inserts', '--quote-all-identifiers', '--data-only'],
               ['--clean', '--if-exists', '--create'],
               ['--column-inserts', '--on-conflict-do-nothing', '--no-owner'], ['all'])

    def __init__(self, folder):
        super().__init__(folder, 'nobody' if os.geteuid() == 0 else None)
        server = find(self.PROGRAM)
        self.programs = server.parent
        if self.as_user:
            shutil.chown(folder, 'nobody')
        data = folder / 'data'
        self.run(self.programs / 'initdb', '-D', data, '-U', 'old', '--no-locale', '--no-sync',
                 '--encoding=UTF8', '--auth=trust')
        self.start([server, '-D', data, '-k', folder, '-c', 'listen_addresses=', '-F'],
                   self.is_ready)
        self.make('CREATE DATABASE old', 'template1')

    def is_ready(self):
        return subprocess.run([self.programs / 'pg_isready', '-q', '-h', self.folder], check=False,
                              env=self.environment, **self.as_user).returncode == 0

    def client(self, program, *arguments, text=None):
        return self.run(self.programs / program, '-h', self.folder, '-U', 'old', *arguments,
                        text=text)

    def sql(self, text, database='old'):
        self.client('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', database, text=text.encode())

    def dump(self, *options):
        """Of ['all']: of all databases, by pg_dumpall."""
        if options == ('all',):
            return self.client('pg_dumpall')
        return self.client('pg_dump', *options, 'old')

    @staticmethod
    def text(value):
        return f"convert_from('\\x{value.encode().hex()}', 'UTF8')"


def is_there(kind):
    """May be tested; without it in build/servers the test says that it is skipped, unless
    WEIGHD_E2E forbids that."""
    return find(kind.PROGRAM) is not None or os.environ.get('WEIGHD_E2E') == 'required'
