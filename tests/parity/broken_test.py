#!/usr/bin/env python3
"""Files that are not what `weighctl import` is to read: broken, cut, huge, binary, wrongly encoded,
unreadable, no files at all.  Each is named with its line where it has one, the exit status says so,
and no size of a file is a size of memory.
"""

import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading

import sequences

SQL = ('gld', 'policyd', 'policyd-rate-limit')
ALL = ('postgrey', 'greylistd', *SQL)
MEMORY_KB_MAX = 64 * 1024  # of a sanitized weighctl, too
HUGE_BYTES = 100 * 1024 * 1024
FOLDER = tempfile.TemporaryDirectory()
PATH = pathlib.Path(FOLDER.name)
USAGE, DATA, NO_INPUT = 64, 65, 66


def imported(daemon, *arguments, user=None):
    """Exit status, standard output, standard error, and the most memory that it had, in kB."""
    output, errors = PATH / 'output', PATH / 'errors'
    with open(output, 'wb') as out, open(errors, 'wb') as err:
        process = subprocess.Popen([sequences.weighctl(), 'import', daemon, *map(str, arguments)],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=err, user=user)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return (process.returncode, output.read_text(errors='replace'),
            errors.read_text(errors='replace'), usage.ru_maxrss)


def file(content, name='file'):
    path = PATH / name
    path.write_bytes(content)
    return path


def expect(case, done, status, pattern):
    assert done[0] == status, f'{case}: status {done[0]}\n{done[2]}'
    assert re.search(pattern, done[2], re.M), f'{case}: {done[2]}'


def configurations():
    for daemon in ALL:
        expect((daemon, 'UTF-16'), imported(daemon, file('#\nA=1\n'.encode('utf-16-le'))), DATA,
               r'file:1: error: .*UTF-16')
        expect((daemon, 'NUL'), imported(daemon, file(b'# a\n# b\nx\0')), DATA, r'file:3: error: ')
        expect((daemon, 'compressed'), imported(daemon, file(b'\x1f\x8b\x08\0abc')), DATA,
               r'file:1: error: .*compressed')
        expect((daemon, 'directory'), imported(daemon, PATH), NO_INPUT, 'Is a directory')
        expect((daemon, 'large'), imported(daemon, file(b'# comment\n' * 200000)), DATA,
               'File too large')
        for wrong in (b'\xff\xfe\xfd = \xff\n', b'root:x:0:0:root:/root:/bin/bash\n', b'<a></a>\n'):
            status, _, errors, _ = imported(daemon, file(wrong))
            assert status in (0, DATA) and 'error' in errors + ('error' if status == 0 else ''), \
                (daemon, wrong, status, errors)
    for daemon in SQL:
        expect((daemon, 'missing'), imported(daemon, PATH / 'no'), NO_INPUT, 'No such file')
        expect((daemon, 'another'), imported(daemon, file(b'\nroot:x:0:0:root:/root:/bin/sh\n')),
               DATA, r'file:[12]: error: ')


def marks():
    """U+FEFF in front is no part of the first setting's name."""
    for daemon, text, wanted in (('gld', 'PORT=2526\n', ':2526 '), ('policyd', 'BINDPORT=1\n', ':1 '),
                                 ('policyd-rate-limit', 'limits: [[7, 60]]\n', ' 7/1m'),
                                 ('greylistd', '[socket]\npath = /run/x\n', '/run/x'),
                                 ('postgrey', 'postgrey --inet=10999\n', ':10999 ')):
        done = imported(daemon, file(text.encode('utf-8-sig')))
        assert done[0] == 0 and wanted in done[1], (daemon, done)


NO_DUMPS = {
    'empty': (b'', r'dump: error: this is no dump'),
    'words': (b'hello;\nworld;\n', r'dump: error: this is no dump'),
    'cut in a row': (b"-- MySQL dump 10\n\nINSERT INTO `x` VALUES (1),\n(2,'a", r'dump:3: error: .*ends'),
    'cut in COPY': (b'-- PostgreSQL database dump\nCOPY x FROM stdin;\n1\n2', r'dump:2: error: .*ends'),
    'an open quote': (b"INSERT INTO x VALUES ('a);\n\n\n", r'dump:1: error: .*ends'),
    'another database': (b'-- MySQL dump 10\nINSERT INTO `users` VALUES (1);\n',
                         r'dump: error: .*(is not in it|none is in it)'),
    'gzip': (b'\x1f\x8b\x08\0abc', r'dump: error: it is compressed: zcat'),
    'xz': (b'\xfd7zXZ\0abc', r'dump: error: it is compressed: xzcat'),
    'pg_dump -Fc': (b'PGDMP\x01\x0e\0\x04', r'dump: error: .*pg_restore'),
    'UTF-16': ('-- MySQL dump\n'.encode('utf-16'), r'dump: error: it is UTF-16'),
    'XML': (b'<?xml version="1.0"?>\n<mysqldump>', r'dump: error: it is XML'),
    'bytes': (bytes(range(256)) * 40, r'dump(:\d+)?: error: '),
}


def dumps():
    for daemon in SQL:
        for option in ('--database', '--lists')[:1 if daemon == 'policyd-rate-limit' else 2]:
            for name, (content, pattern) in NO_DUMPS.items():
                expect((daemon, option, name), imported(daemon, '/dev/null', option,
                                                        file(content, 'dump')), DATA, pattern)
        expect((daemon, 'missing'), imported(daemon, '/dev/null', '--database', PATH / 'no'),
               NO_INPUT, 'no: No such file')
        expect((daemon, 'directory'), imported(daemon, '/dev/null', '--database', PATH), NO_INPUT,
               'Is a directory')
        done = imported(daemon, '/dev/null', '--database', file(b'-- MySQL dump 10\n', 'dump'))
        expect((daemon, 'a dump of nothing'), done, 0, 'dump: warning: ')


def rows():
    """Rows that are no use are named with their lines, the first ten of them."""
    lines = [f"INSERT INTO greylist VALUES ('no{number}','a','b',1,1,1);\n" for number in range(12)]
    done = imported('gld', '/dev/null', '--database', file(''.join(lines).encode(), 'dump'))
    expect('gld', done, 0, r'^.*/dump:2: left out: no address: "no1"$')
    assert 'no9' in done[2] and 'no10' not in done[2], done[2]
    assert '0 triplets taken, 12 rows left out' in done[2], done[2]


def usage():
    for daemon in ('postgrey', 'greylistd', 'policyd-rate-limit'):
        expect(daemon, imported(daemon, '/dev/null', '--lists', PATH / 'no'), USAGE, 'has no lists')
    expect('policyd-spf', imported('policyd-spf', '/dev/null', '--database', PATH / 'no'), USAGE,
           'has no database')
    expect('nobody', imported('nobody', '/dev/null'), USAGE, 'what can be imported: .*greylistd')


def lists():
    """More rows than a configuration holds: none, rather than a part."""
    dump = ''.join(f"INSERT INTO whitelist VALUES ('user{number}@x.example','');\n"
                   for number in range(60000)).encode()
    for arguments in ((), ('--json',)):
        done = imported('gld', '/dev/null', '--lists', file(dump, 'dump'), *arguments)
        expect('gld', done, DATA, 'too large: no configuration is written')
        assert 'policy gld' not in done[1], done[1][:200]


def databases():
    """SQLite's, damaged."""
    path = PATH / 'db'
    with sqlite3.connect(path) as db:
        db.execute('CREATE TABLE mail_count (id varchar(40) NOT NULL, date bigint NOT NULL)')
        db.executemany('INSERT INTO mail_count VALUES (?, ?)',
                       [(f'user{number}', 1700000000) for number in range(5000)])
    db.close()
    whole = path.read_bytes()
    for name, content in (('cut', whole[:len(whole) // 2]), ('head', whole[:40]),
                          ('zeroed', whole[:8192] + bytes(len(whole) - 8192))):
        done = imported('policyd-rate-limit', '/dev/null', '--database', file(content, 'db'))
        expect(name, done, DATA, r'db: error: behind row \d+: ')
    with sqlite3.connect(PATH / 'other') as db:
        db.execute('CREATE TABLE users (id int)')
    db.close()
    done = imported('policyd-rate-limit', '/dev/null', '--database', PATH / 'other')
    expect('another', done, DATA, 'other: error: the table mail_count is not in it')


def unreadable():
    """As somebody who may not; root may."""
    path = file(b'', 'secret')
    path.chmod(0)
    user = 'nobody' if os.geteuid() == 0 else None
    try:
        subprocess.run([sequences.weighctl(), '--help'], user=user, capture_output=True, check=False)
    except PermissionError:
        print('# weighctl itself is out of reach for nobody')
        return
    for daemon in ALL:
        expect(daemon, imported(daemon, path, user=user), NO_INPUT, 'Permission denied')
    for daemon in SQL:
        expect(daemon, imported(daemon, '/dev/null', '--database', path, user=user), NO_INPUT,
               'Permission denied')


def pipes():
    """A FIFO is read like a file."""
    path = PATH / 'fifo'
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text(
        "INSERT INTO greylist VALUES ('192.0.2.1','a','b',1700000000,1700000000,1);\n"))
    writer.start()
    done = imported('gld', '/dev/null', '--database', path)
    writer.join()
    expect('FIFO', done, 0, '1 triplets taken')


def huge():
    """100 MB: of nothing, of one string, of one comment, of one line."""
    path = PATH / 'huge'
    for begin in (b'', b"-- MySQL dump\nINSERT INTO x VALUES ('", b'-- '):
        with open(path, 'wb') as out:
            out.write(begin)
            out.truncate(HUGE_BYTES)
        for daemon in ALL if begin == b'' else ('gld',):
            databases_of = ['--database', path] * (2 if daemon == 'greylistd' else 1)
            status, _, errors, memory = imported(daemon, '/dev/null', *databases_of)
            assert status in (USAGE, DATA) and 'error' in errors, (daemon, begin, status, errors)
            assert memory < MEMORY_KB_MAX, (daemon, begin, memory)
            status, _, errors, memory = imported(daemon, path)
            assert status == DATA and memory < MEMORY_KB_MAX, (daemon, status, errors, memory)
    path.unlink()


def main():
    tests = (configurations, marks, dumps, rows, usage, lists, databases, unreadable, pipes, huge)
    print(f'1..{len(tests)}')
    sys.exit(not all([sequences.run_one(number, test.__name__, test)
                      for number, test in enumerate(tests, 1)]))


main()
