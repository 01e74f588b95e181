#!/usr/bin/env python3
"""A policyd-spf.conf is imported, and its cases are decided under what came out."""
import os
import subprocess
import sys
import tempfile

config, cases = sys.argv[1:]
weighctl = os.environ["WEIGHCTL"]

with tempfile.NamedTemporaryFile("w", suffix=".conf") as ours:
    subprocess.run([weighctl, "import", "policyd-spf", config], stdout=ours, check=True)
    ours.flush()
    subprocess.run([weighctl, "check", ours.name], check=True)
    sys.exit(subprocess.run([weighctl, "replay", "--config", ours.name, "--expect", cases],
                            check=False).returncode)
