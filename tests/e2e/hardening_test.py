"""Is the daemon that was built hardened?  Read from the file by readelf."""

import os
import re
import subprocess
import sys


def readelf(*options):
    return subprocess.run(['readelf', '-W', *options, os.environ['WEIGHD']], capture_output=True,
                          text=True, check=True).stdout


HEADER, SEGMENTS, DYNAMIC = readelf('-h'), readelf('-l'), readelf('-d')
SYMBOLS = readelf('--dyn-syms')
IS_SANITIZED = re.search(r'__[atm]san_init|__ubsan_', SYMBOLS) is not None
# A sanitizer replaces what _FORTIFY_SOURCE would.
IS_FORTIFIED = re.search(r'__\w+_chk@', SYMBOLS.replace('__stack_chk', '')) is not None

TESTS = [
    ('position independent', re.search(r'Type:\s+DYN', HEADER)),
    ('relocations are read-only', 'GNU_RELRO' in SEGMENTS),
    ('all symbols are bound at start', re.search(r'BIND_NOW|FLAGS.* NOW', DYNAMIC)),
    ('no executable stack', re.search(r'GNU_STACK.* RW ', SEGMENTS)),
    ('no segment is writable and executable', not re.search(r'LOAD.* RWE ', SEGMENTS)),
    ('stack protector', '__stack_chk_fail' in SYMBOLS),
    ('checked library calls', IS_FORTIFIED or IS_SANITIZED),
    ('no run path', 'RPATH' not in DYNAMIC and 'RUNPATH' not in DYNAMIC),
]

print(f'1..{len(TESTS)}')
for number, (name, is_true) in enumerate(TESTS, 1):
    print(f'{"ok" if is_true else "not ok"} {number} - {name}')
sys.exit(0 if all(is_true for _, is_true in TESTS) else 1)
