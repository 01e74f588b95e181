/* table_rows.c -- the lines of the files that tables are read from.
 *
 * Ours, and those that administrators have already: postgrey 1.37's lists of clients and
 * recipients, Exim's host lists.
 */
#include "base/escape.h"
#include "base/number.h"
#include "policy/tables.h"

enum { TABLE_MISTAKES_MAX = 20 };

static struct span lower_copy(struct compiler *compiler, struct span s)
{
	char *lower;
	size_t i = 0;

	while (i < s.len && s.at[i] == ascii_lower(s.at[i]))
		i++;
	if (i == s.len)
		return s;
	lower = compiler_alloc(compiler, s.len + 1);
	if (lower == NULL)
		return s;
	for (i = 0; i < s.len; i++)
		lower[i] = ascii_lower(s.at[i]);
	return span_of(lower, s.len);
}

struct span table_key(struct compiler *compiler, struct span s)
{
	TEXT(text, IP_TEXT_MAX);
	struct ip ip;

	if (ip_parse(s, &ip) != OK)
		return lower_copy(compiler, s);
	text_add_ip(&text, ip);
	return compiler_copy(compiler, text_span(&text));
}

static struct place place_in(const struct table_file *file, struct span s)
{
	return (struct place){ file->source, (size_t)(s.at - file->source->text.at), s.len };
}

static struct span first_word(struct span line)
{
	size_t len = 0;

	while (len < line.len && line.at[len] != ' ' && line.at[len] != '\t')
		len++;
	return span_first(line, len);
}

/* --- adding; table_reserve has made room --- */

static void row_add(struct table *table, struct table_row row)
{
	table->row[table->row_count++] = row;
}

static bool network_add(struct table_file *file, struct prefix prefix)
{
	row_add(file->table->networks, (struct table_row){ .prefix = prefix });
	return true;
}

static bool name_add(struct table_file *file, struct span name)
{
	if (name.len > 1 && span_ends(name, SPAN(".")))
		name.len--;
	row_add(file->table, (struct table_row){ .key = lower_copy(file->compiler, name) });
	return true;
}

static bool pattern_add(struct table_file *file, struct span pattern, bool ignore_case,
			struct span value)
{
	struct table *table = file->table;
	struct regex *regex;

	if (table->pattern_count == TABLE_PATTERNS_MAX) {
		report_error(&file->compiler->report, place_in(file, pattern),
			     "a table has at most %d patterns", TABLE_PATTERNS_MAX);
		file->mistakes = TABLE_MISTAKES_MAX;
		return true;
	}
	regex = compiler_regex(file->compiler, pattern, ignore_case, place_in(file, pattern));
	if (regex == NULL)
		file->mistakes++;
	else
		table->pattern[table->pattern_count++] = (struct table_pattern){ regex, value };
	return !file->compiler->is_full;
}

/* --- file: a key and its value --- */

/* As in Postfix, a line that begins with a blank goes on with the one before. */
static bool keys_continue(struct table_file *file, struct span line)
{
	struct table *table = file->table;
	struct table_row *row;
	char *joined;

	if (table->row_count == file->first_row) {
		report_error(&file->compiler->report, place_in(file, line),
			     "a line that begins with a blank goes on with the one before");
		file->mistakes++;
		return true;
	}
	row = &table->row[table->row_count - 1];
	if (row->value.len == 0) {
		row->value = line;
		return true;
	}
	joined = compiler_alloc(file->compiler, row->value.len + 1 + line.len);
	if (joined == NULL)
		return false;
	memcpy(joined, row->value.at, row->value.len);
	joined[row->value.len] = ' ';
	memcpy(joined + row->value.len + 1, line.at, line.len);
	row->value = span_of(joined, row->value.len + 1 + line.len);
	return true;
}

static bool keys_add(struct table_file *file, struct span whole)
{
	struct span line = span_trim(whole);
	struct span key = first_word(line);

	if (whole.at[0] == ' ' || whole.at[0] == '\t')
		return keys_continue(file, line);
	row_add(file->table, (struct table_row){
				     .key = table_key(file->compiler, key),
				     .value = span_trim(span_from(line, key.len)),
			     });
	return true;
}

/* --- cidr: a network and its value --- */

static bool networks_add(struct table_file *file, struct span whole)
{
	struct span line = span_trim(whole);
	struct span word = first_word(line);
	struct table_row row = { .value = span_trim(span_from(line, word.len)) };

	if (prefix_parse(word, &row.prefix) == OK) {
		row_add(file->table, row);
		return true;
	}
	report_error(&file->compiler->report, place_in(file, word),
		     "this is no network such as 192.0.2.0/24 or 2001:db8::/32");
	if (span_find(word, '/') < word.len)
		report_hint(&file->compiler->report,
			    "is it too long, or are there bits behind its end?");
	file->mistakes++;
	return true;
}

/* --- domain: a domain and its value --- */

static bool domains_add(struct table_file *file, struct span whole)
{
	struct span line = span_trim(whole);
	struct span name = first_word(line);
	struct span value = span_trim(span_from(line, name.len));

	if (span_find(name, '@') < name.len || span_find(name, '*') < name.len) {
		report_error(&file->compiler->report, place_in(file, name),
			     "this is no domain such as example.org");
		report_hint(&file->compiler->report, "example.org is also what is below it, "
						     ".example.org is that alone");
		file->mistakes++;
		return true;
	}
	(void)name_add(file, name);
	file->table->row[file->table->row_count - 1].value = value;
	return true;
}

/* --- regex: /pattern/ or /pattern/i and its value --- */

/* Behind the slash that closes a pattern; 0: none does. */
static size_t pattern_end(struct span line)
{
	for (size_t i = 1; i < line.len; i++) {
		if (line.at[i] == '/')
			return i + 1;
		i += line.at[i] == '\\';
	}
	return 0;
}

static bool patterns_add(struct table_file *file, struct span whole)
{
	struct span line = span_trim(whole), flags;
	size_t end = line.at[0] == '/' ? pattern_end(line) : 0;

	flags = first_word(span_from(line, end));
	if (end == 0 || (flags.len > 0 && !span_equal(flags, SPAN("i")))) {
		report_error(&file->compiler->report,
			     place_in(file, end == 0 ? first_word(line) : flags),
			     end == 0 ? "a line is /pattern/ and a value"
				      : "behind a pattern stands nothing or an 'i'");
		file->mistakes++;
		return true;
	}
	return pattern_add(file, span_of(line.at + 1, end - 2), flags.len > 0,
			   span_trim(span_from(line, end + flags.len)));
}

/* --- postgrey's and Exim's --- */

static bool warn(struct table_file *file, struct span entry, const char *why)
{
	report_warning(&file->compiler->report, place_in(file, entry), "%s: skipped", why);
	return true;
}

/* Bits behind the end of the network do not matter there. */
static bool loose_network(struct span entry, struct prefix *prefix_out)
{
	size_t slash = span_find(entry, '/');
	struct ip ip;
	int64_t bits;

	if (ip_parse(span_first(entry, slash), &ip) != OK)
		return false;
	if (slash == entry.len) {
		ip = ip_unmapped(ip);
		bits = ip.family == IP_V4 ? 32 : 128;
	} else if (number_parse(span_from(entry, slash + 1), &bits) != OK || bits < 0 ||
		   bits > (ip.family == IP_V4 ? 32 : 128)) {
		return false;
	}
	*prefix_out = prefix_of(ip, (uint8_t)bits);
	return true;
}

/* a.b.c is the /24, a.b the /16. */
static bool part_of_address(struct span entry, struct prefix *prefix_out)
{
	struct span rest = entry, part;
	TEXT(whole, IP_TEXT_MAX);
	uint8_t parts = 0;
	struct ip ip;

	while (span_cut(&rest, '.', &part))
		parts++;
	if (parts != 2 && parts != 3)
		return false;
	text_add(&whole, entry);
	text_add(&whole, parts == 2 ? SPAN(".0.0") : SPAN(".0"));
	if (whole.overrun || ip_parse(text_span(&whole), &ip) != OK)
		return false;
	*prefix_out = prefix_of(ip, (uint8_t)(8 * parts));
	return true;
}

static bool is_pattern(struct span entry)
{
	return entry.len > 2 && entry.at[0] == '/' && entry.at[entry.len - 1] == '/';
}

static bool enclosed_add(struct table_file *file, struct span entry)
{
	return pattern_add(file, span_of(entry.at + 1, entry.len - 2), true, SPAN(""));
}

static bool clients_add(struct table_file *file, struct span entry)
{
	struct prefix prefix;

	if (is_pattern(entry))
		return enclosed_add(file, entry);
	if (loose_network(entry, &prefix) || part_of_address(entry, &prefix))
		return network_add(file, prefix);
	if (span_find(entry, '/') < entry.len || span_find(entry, ':') < entry.len)
		return warn(file, entry, "this is no network, no /pattern/ and no host name");
	return name_add(file, entry);
}

static bool recipients_add(struct table_file *file, struct span entry)
{
	if (is_pattern(entry))
		return enclosed_add(file, entry);
	if (entry.at[0] == '@')
		return warn(file, entry, "a domain stands without '@'");
	return name_add(file, entry);
}

static bool hosts_add(struct table_file *file, struct span entry)
{
	static const struct span others = SPAN_INIT("!@+*");
	struct prefix prefix;

	if (entry.at[0] == '^')
		return pattern_add(file, entry, true, SPAN(""));
	if (loose_network(entry, &prefix))
		return network_add(file, prefix);
	if (span_starts(entry, SPAN("*.")))
		return name_add(file, span_from(entry, 1));
	if (span_find(others, entry.at[0]) < others.len || span_find(entry, ';') < entry.len ||
	    span_find(entry, '/') < entry.len || span_find(entry, ':') < entry.len)
		return warn(file, entry, "this is no network, no ^pattern and no host name");
	return name_add(file, entry);
}

/* --- files --- */

enum {
	NAMES_AND_PATTERNS = HOLDS_ROWS | HOLDS_PATTERNS,
	HOLDS_ALL = NAMES_AND_PATTERNS | HOLDS_NETWORKS,
};

static const struct table_format formats[] = {
	{ "file", TABLE_KEYS, HOLDS_ROWS, COMMENTS_IN_FRONT, true, keys_add },
	{ "cidr", TABLE_CIDR, HOLDS_ROWS, COMMENTS_IN_FRONT, true, networks_add },
	{ "regex", TABLE_REGEX, HOLDS_PATTERNS, COMMENTS_IN_FRONT, true, patterns_add },
	{ "domain", TABLE_DOMAIN, HOLDS_ROWS, COMMENTS_IN_FRONT, true, domains_add },
	{ "postgrey-clients", TABLE_CLIENTS, HOLDS_ALL, COMMENTS_BEHIND, false, clients_add },
	{ "postgrey-recipients", TABLE_RECIPIENTS, NAMES_AND_PATTERNS, COMMENTS_BEHIND, false,
	  recipients_add },
	{ "exim-hosts", TABLE_HOSTS, HOLDS_ALL, COMMENTS_BEHIND_BLANK, false, hosts_add },
};

const struct table_format *table_format_find(struct span keyword, struct guess *guess)
{
	const struct table_format *found = NULL;

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		guess_offer(guess, span_cstr(formats[i].keyword));
		if (span_equal(keyword, span_cstr(formats[i].keyword)))
			found = &formats[i];
	}
	return found;
}

static bool is_clean(struct table_file *file, struct span line)
{
	struct span rest = line;

	while (rest.len > 0) {
		uint32_t character;
		size_t len = (unsigned char)rest.at[0] < 0x80 ? 1 : utf8_decode(rest, &character);

		if (len == 0 || ((unsigned char)rest.at[0] < 0x20 && rest.at[0] != '\t')) {
			report_error(&file->compiler->report, place_in(file, span_first(rest, 1)),
				     "byte 0x%02x is no text: this file must be UTF-8",
				     (unsigned char)rest.at[0]);
			file->mistakes++;
			return false;
		}
		rest = span_from(rest, len);
	}
	return true;
}

static struct span without_comment(struct span line, enum table_comments comments)
{
	size_t hash = span_find(line, '#');

	if (comments == COMMENTS_BEHIND)
		return span_first(line, hash);
	while (comments == COMMENTS_BEHIND_BLANK && hash < line.len) {
		if (hash == 0 || line.at[hash - 1] == ' ' || line.at[hash - 1] == '\t')
			return span_first(line, hash);
		hash += 1 + span_find(span_from(line, hash + 1), '#');
	}
	return line;
}

static bool line_read(struct table_file *file, const struct table_format *format, struct span line)
{
	struct span trimmed = span_trim(line);

	if (trimmed.len == 0 || trimmed.at[0] == '#' || !is_clean(file, line))
		return true;
	if (format->has_blanks)
		return format->add(file, line);
	if (first_word(trimmed).len < trimmed.len)
		return warn(file, trimmed, "an entry has no blanks inside");
	return format->add(file, trimmed);
}

bool table_read(struct table_file *file, const struct table_format *format)
{
	struct span rest = file->source->text, line;

	if (span_starts(rest, SPAN("\xef\xbb\xbf")))
		rest = span_from(rest, 3);
	while (file->mistakes < TABLE_MISTAKES_MAX && span_cut(&rest, '\n', &line)) {
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (!line_read(file, format, without_comment(line, format->comments)))
			return false;
	}
	return true;
}
