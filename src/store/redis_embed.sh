#!/bin/sh
# redis_embed.sh -- the scripts for Redis as texts of C: redis_embed.sh .../NAME.lua ...
# Comments and the blanks in front of lines stay here.
set -eu
echo '/* Made by redis_embed.sh. */'
for file in "$@"; do
	name=${file##*/}
	printf 'static const char %s[] =' "${name%.lua}"
	sed -e 's/^[ \t]*//' -e '/^--/d' -e '/^$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' \
		-e 's/^/\n\t"/' -e 's/$/\\n"/' "$file"
	echo ';'
done
