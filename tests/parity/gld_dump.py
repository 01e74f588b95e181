#!/usr/bin/env python3
"""Dumps as the real mysqldump, pg_dump and sqlite3 write them, of values that are hard to write down,
read by `weighctl import` for gld, Policyd and policyd-rate-limit: every row is there, byte for byte.

Without a database server (sql_servers.py) its part says that it was skipped.
"""

import json
import pathlib
import re
import sqlite3
import sys
import tempfile

import sequences
import sql_servers
from sequences import run

FIRST = 1700000000
NAMES = ["o'brien@x.example", 'u\\', '"quoted"@x.example', 'a\\\'b@x.example', "');--@x.example",
         'tab\there@x.example', 'new\nline@x.example', 'cr\r\n@x.example', '\b\f\v\x1a\x7f@x.example',
         'back`tick@x.example', '/*no*/#comment@x.example', "x','1.1.1.1'),('y@x.example",
         '100%_@x.example', '\u00e9\u4e2d@x.example', '\U0001f4e7@x.example', '\\N', '\\.', '.', 'NULL',
         'a;b@x.example', "E'x'@x.example", '$$x$$@x.example', '$1', '-- x', '\\restrict', '{"a":1}',
         'two  blanks@x.example', ' blank in front@x.example', "''", '\\\\', '\\x41', '\\101', '0x41',
         'x' * 242]
# Another table of the same database, of no use to anybody, and its hugest value.
OTHER = '\'"`;--/*$$(' * 100000


def key_part(text):
    """As weigh/key.h writes it."""
    return ''.join(f'%{ord(c):02x}' if c in ' %' or c < ' ' or c == '\x7f' else c
                   for c in text.lower())


def records(daemon, path, config=''):
    output, errors = run('import', daemon, '-', '--database', path, text=config)
    return [json.loads(line) for line in output.splitlines()], errors


def same_keys(found, wanted):
    """A key of more than 255 bytes ends with a hash."""
    short = [{text[:200] for text in texts} for texts in (found, wanted)]
    if short[0] != short[1] or len(found) != len(wanted):
        raise AssertionError(f'{len(found)} of {len(wanted)}; missing {short[1] - short[0]}, '
                             f'too many {short[0] - short[1]}')


# --- the three databases, as their daemons make them ---

def check_gld(path):
    found, errors = records('gld', path, 'MXGREY=1\n')
    triplets = [entry for entry in found if entry['kind'] == 'greylist']
    same_keys([entry['key'] for entry in triplets],
              [f'192.0.2.{number} {key_part(name)} b@y.example'
               for number, name in enumerate(NAMES)] + ['2001:db8::7 <> b@y.example'])
    for entry in triplets[:-1]:
        assert re.match(f'first={FIRST}000 last={FIRST + 500}000 passed=[0-9]+ passes=1',
                        entry['value']), entry
    known = [entry['key'] for entry in found if entry['kind'] == 'known']
    same_keys(known, [f'192.0.2.{number}' for number in range(len(NAMES))])
    assert f'{len(NAMES) + 1} triplets taken, 1 rows left out' in errors, errors
    config = run('import', 'gld', '-', '--lists', path, text='')[0]
    for part in ('sender in ["john@foo.example"]', 'sender.domain in ["bar.example"]',
                 'client_address in [192.0.2.4, 198.51.100.0/24]'):
        assert part in config, (part, config)


def fill_gld(server, schema):
    rows = [f"('192.0.2.{number}', {server.text(name)}, 'b@y.example', {FIRST}, {FIRST + 500}, 2)"
            for number, name in enumerate(NAMES)]
    rows.append(f"('2001:db8::7', 'void@void', 'b@y.example', {FIRST}, {FIRST}, 1)")
    rows.append("('no address', 'a@x.example', 'b@y.example', 0, 0, 0)")
    white = ", ".join(f"('{mail}', {server.text(note)})" for mail, note in
                      (('john@foo.example', "it's"), ('@bar.example', 'a\\'), ('192.0.2.4', '\n'),
                       ('198.51.100', '')))
    server.sql(f'{schema};\n' + ''.join(f'INSERT INTO greylist VALUES {row};\n' for row in rows) +
               f'INSERT INTO whitelist VALUES {white};\n')


# Every column is char(n): PostgreSQL fills it up with blanks.
GLD = '''CREATE TABLE greylist (ip char(45) NOT NULL, sender char(242) NOT NULL,
recipient char(242) NOT NULL, first int{default}, last int{default}, n int{default},
PRIMARY KEY (ip, sender, recipient));
CREATE TABLE whitelist (mail char(242) NOT NULL, comment char(242){default}, PRIMARY KEY (mail))'''
GLD_TIME = '''CREATE FUNCTION unix_timestamp() RETURNS integer AS
'SELECT date_part(''epoch'', now())::int4 AS result;' LANGUAGE 'sql';
CREATE FUNCTION from_unixtime(integer) RETURNS timestamp with time zone AS
$$ SELECT to_timestamp($1) -- it's
AS result; $$ LANGUAGE sql'''
RATE_NAMES = [name for name in NAMES if len(name) <= 40]


def check_rate_limit(path):
    found, errors = records('policyd-rate-limit', path, 'limits: [[10, 60]]\n')
    assert {entry['set'] for entry in found} == {'user'}, found
    same_keys([entry['key'] for entry in found], [key_part(name) for name in RATE_NAMES])
    for number, name in enumerate(RATE_NAMES):
        value = [entry['value'] for entry in found if entry['key'] == key_part(name)]
        at = (FIRST + number) * 1000
        assert value == [f'window 60000 2 {at}+1,{at}+1'], (name, value)
    assert f'{2 * len(RATE_NAMES)} rows of {len(RATE_NAMES)} ids taken, 1 rows left out' in errors, \
        errors


def fill_rate_limit(server):
    server.sql('CREATE TABLE mail_count (id varchar(40) NOT NULL, date bigint NOT NULL);\n'
               'CREATE INDEX mail_count_index ON mail_count(id, date);\n'
               'CREATE TABLE limit_report (id varchar(40) NOT NULL, delta int NOT NULL, '
               'hit int NOT NULL DEFAULT 0);\n'
               'CREATE UNIQUE INDEX limit_report_index ON limit_report(id, delta);\n'
               "INSERT INTO limit_report VALUES ('joe', 60, 1);\n"
               "INSERT INTO mail_count VALUES ('', 1);\n" +
               ''.join(f'INSERT INTO mail_count VALUES ({server.text(name)}, {FIRST + number});\n'
                       for number, name in enumerate(RATE_NAMES) for _ in range(2)))


POLICYD = '''CREATE TABLE triplet (_from varchar(250) NOT NULL, _rcpt varchar(250) NOT NULL,
_host varchar(15) NOT NULL, _datenew int NOT NULL, _datelast int NOT NULL, _count int NOT NULL,
_rcptcount int NOT NULL default 0, PRIMARY KEY (_host, _from, _rcpt));
CREATE TABLE blacklist (_blacklist char(40) NOT NULL, _description char(60) NOT NULL default '# no',
_expire int NOT NULL);
CREATE TABLE spamtrap (_rcpt char(60) NOT NULL, _active tinyint NOT NULL)'''


def check_policyd(path):
    config = 'GREYLISTING=1\nBLACKLISTING=1\nSPAMTRAPPING=1\n'
    found = records('policyd', path, config)[0]
    same_keys([entry['key'] for entry in found if entry['kind'] == 'greylist'],
              [f'192.0.{number}.0/24 {key_part(name)} b@y.example'
               for number, name in enumerate(NAMES)])
    text = run('import', 'policyd', '-', '--lists', path, text=config)[0]
    for part in ('198.51.100.0/24', '"trap@y.example"'):
        assert part in text, (part, text)


def fill_policyd(server):
    rows = ',\n'.join(f"({server.text(name)}, 'b@y.example', '192.0.{number}', {FIRST}, {FIRST + 9}, "
                      "1, 0)" for number, name in enumerate(NAMES))
    server.sql(f"{POLICYD};\nINSERT INTO triplet VALUES {rows};\n"
               "INSERT INTO blacklist VALUES ('198.51.100.%', 'it''s # a \\\\', 0);\n"
               "INSERT INTO spamtrap VALUES ('trap@y.example', 1);\n")


# --- who writes the dumps ---

def check_dump(checks, dump, options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'dump.sql'
        path.write_bytes(dump)
        for check in checks:
            try:
                check(path)
            except AssertionError as problem:
                raise AssertionError(f'{check.__name__}, {options}: {problem}') from problem


def of_sqlite():
    with sqlite3.connect(':memory:') as db:
        db.executescript(GLD.format(default=''))
        db.executemany('INSERT INTO greylist VALUES (?, ?, ?, ?, ?, ?)',
                       [(f'192.0.2.{number}', name, 'b@y.example', FIRST, FIRST + 500, 2)
                        for number, name in enumerate(NAMES)])
        db.execute("INSERT INTO greylist VALUES ('2001:db8::7', 'void@void', 'b@y.example', ?, ?, 1)",
                   (FIRST, FIRST))
        db.execute("INSERT INTO greylist VALUES ('no address', 'a', 'b', 0, 0, 0)")
        db.executemany("INSERT INTO whitelist VALUES (?, '')",
                       [('john@foo.example',), ('@bar.example',), ('192.0.2.4',), ('198.51.100',)])
        check_dump([check_gld], '\n'.join(db.iterdump()).encode(), 'iterdump')


def of_server(kind, fill, checks):
    with tempfile.TemporaryDirectory() as name:
        server = kind(pathlib.Path(name))
        try:
            fill(server)
            for options in kind.OPTIONS:
                print(f'# {kind.__name__} {" ".join(options)}')
                check_dump(checks, server.dump(*options), options)
        finally:
            server.close()


def fill_mysql(server):
    server.sql(f'CREATE TABLE aaa (t longtext, k int); INSERT INTO aaa VALUES '
               f'({server.text(OTHER)}, NULL);')
    fill_gld(server, GLD.format(default=''))
    fill_rate_limit(server)
    fill_policyd(server)


def fill_postgres(server):
    server.sql(f'CREATE TABLE aaa (t text, "key" int); INSERT INTO aaa VALUES '
               f'({server.text(OTHER)}, NULL);')
    fill_gld(server, GLD.format(default=' default NULL') + f';\n{GLD_TIME}')
    fill_rate_limit(server)


def main():
    tests = {
        'sqlite': (None, of_sqlite),
        'mysqldump': (sql_servers.MariaDB, lambda: of_server(
            sql_servers.MariaDB, fill_mysql, [check_gld, check_rate_limit, check_policyd])),
        'pg_dump': (sql_servers.PostgreSQL, lambda: of_server(
            sql_servers.PostgreSQL, fill_postgres, [check_gld, check_rate_limit])),
    }
    chosen = {name: tests[name] for name in sys.argv[1:]} or tests
    print(f'1..{len(chosen)}')
    is_sound = True
    for number, (name, (server, test)) in enumerate(chosen.items(), 1):
        if server is None or sql_servers.is_there(server):
            is_sound &= sequences.run_one(number, name, test)
        else:
            print(f'ok {number} - {name} # SKIP no {server.PROGRAM} is unpacked or installed')
    sys.exit(not is_sound)


main()
