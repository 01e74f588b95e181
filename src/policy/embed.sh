#!/bin/sh
# embed.sh -- files as a table of C: embed.sh .../conf/FILE ... > embedded_files.h
# Each is named from conf/ on, as the include statements of weighd.conf name it.
set -eu
echo '/* Made by embed.sh from conf/. */'
echo 'static const struct { struct span path, text; } embedded[] = {'
for file in "$@"; do
	printf '\t{ SPAN_INIT("%s"),\n\t  SPAN_INIT(' "${file##*/conf/}"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\n\t\t"/' -e 's/$/\\n"/' "$file"
	printf '\t) },\n'
done
echo '};'
