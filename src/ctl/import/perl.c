/* perl.c -- the settings in a Perl file. */
#include "ctl/import/perl.h"

#include <stdio.h>

enum { LINE_SHOWN_MAX = 160, TEXT_BYTES_MAX = 8192 };

struct perl {
	struct perl_file *file;
	struct arena *arena;
	struct span source;
	size_t at;
	struct perl_value value[PERL_VALUES_MAX];
	size_t value_count;
	bool too_large;
};

/* --- reports --- */

static void add_line(struct text *report, struct span line)
{
	line = span_first(line, LINE_SHOWN_MAX);
	for (size_t i = 0; i < line.len; i++)
		text_add_char(report, (unsigned char)line.at[i] < ' ' ? ' ' : line.at[i]);
}

static void say(struct perl_file *file, size_t at, const char *word, const char *what)
{
	struct span source = file->source;
	size_t begin = 0, number = 1;
	struct span line;

	if (at > source.len)
		at = source.len;
	for (size_t i = 0; i < at; i++)
		if (source.at[i] == '\n') {
			begin = i + 1;
			number++;
		}
	line = span_from(source, begin);
	line = span_first(line, span_find(line, '\n'));
	text_add(file->report, file->path);
	text_addf(file->report, ":%zu:%zu: %s: %s\n%5zu | ", number, at - begin + 1, word, what,
		  number);
	add_line(file->report, line);
	text_addf(file->report, "\n      | %*s^\n",
		  (int)(at - begin < LINE_SHOWN_MAX ? at - begin : LINE_SHOWN_MAX), "");
}

void perl_error(struct perl_file *file, size_t at, const char *what)
{
	file->mistakes++;
	say(file, at, "error", what);
}

void perl_warning(struct perl_file *file, size_t at, const char *what)
{
	say(file, at, "warning", what);
}

static bool refuse(struct perl *perl, size_t at, const char *what)
{
	perl_error(perl->file, at, what);
	return false;
}

/* --- characters --- */

static char peek(const struct perl *perl)
{
	return perl->at < perl->source.len ? perl->source.at[perl->at] : '\0';
}

static struct span rest_of(const struct perl *perl)
{
	return span_from(perl->source, perl->at);
}

static bool is_name_char(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '_';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void skip_line(struct perl *perl)
{
	perl->at += span_find(rest_of(perl), '\n');
}

/* "=head1" ... "=cut", at the beginning of lines */
static bool skip_pod(struct perl *perl)
{
	struct span rest = rest_of(perl);
	size_t end;

	if (rest.len < 2 || rest.at[0] != '=' || !ascii_is_letter(rest.at[1]) ||
	    (perl->at > 0 && perl->source.at[perl->at - 1] != '\n'))
		return false;
	end = span_find_span(rest, SPAN("\n=cut"));
	perl->at += end < rest.len ? end + 5 : rest.len;
	skip_line(perl);
	return true;
}

static void skip_blanks(struct perl *perl)
{
	for (;;) {
		char c = peek(perl);

		if (is_blank(c) && perl->at < perl->source.len)
			perl->at++;
		else if (c == '#')
			skip_line(perl);
		else if (!skip_pod(perl))
			return;
	}
}

static bool accept(struct perl *perl, char c)
{
	skip_blanks(perl);
	if (perl->at == perl->source.len || peek(perl) != c)
		return false;
	perl->at++;
	return true;
}

static struct span take_name(struct perl *perl)
{
	size_t begin = perl->at;

	while (is_name_char(peek(perl)))
		perl->at++;
	return span_of(perl->source.at + begin, perl->at - begin);
}

/* --- texts --- */

static char closing(char opening)
{
	switch (opening) {
	case '(': return ')';
	case '[': return ']';
	case '{': return '}';
	case '<': return '>';
	default: return opening;
	}
}

/* The inside of a quoted text, its backslashes untouched; brackets may nest. */
static bool take_quoted(struct perl *perl, struct span *inside_out)
{
	size_t begin = perl->at + 1;
	char opening = peek(perl), end = closing(opening);
	unsigned depth = 1;

	for (size_t i = begin; i < perl->source.len; i++) {
		char c = perl->source.at[i];

		if (c == '\\') {
			i++;
		} else if (c == end && --depth == 0) {
			*inside_out = span_of(perl->source.at + begin, i - begin);
			perl->at = i + 1;
			return true;
		} else if (c == opening && opening != end) {
			depth++;
		}
	}
	refuse(perl, perl->at, "this text has no end");
	perl->at = perl->source.len;
	return false;
}

static bool keep(struct perl *perl, const struct text *text, struct span *text_out)
{
	*text_out = arena_copy(perl->arena, text_span(text));
	if (!text->overrun && text_out->at != NULL)
		return true;
	perl->too_large = true;
	return false;
}

/* '...': only \\ and \' mean something else than they say. */
static bool plain_text(struct perl *perl, struct span inside, char quote, struct span *text_out)
{
	TEXT(text, TEXT_BYTES_MAX);

	for (size_t i = 0; i < inside.len; i++) {
		if (inside.at[i] == '\\' && i + 1 < inside.len &&
		    (inside.at[i + 1] == '\\' || inside.at[i + 1] == quote))
			i++;
		text_add_char(&text, inside.at[i]);
	}
	return keep(perl, &text, text_out);
}

static char escaped_char(char c)
{
	switch (c) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	default: return c;
	}
}

/* "..." */
static bool full_text(struct perl *perl, struct span inside, struct span *text_out)
{
	TEXT(text, TEXT_BYTES_MAX);

	for (size_t i = 0; i < inside.len; i++) {
		char c = inside.at[i];
		char next = i + 1 < inside.len ? inside.at[i + 1] : '\0';

		if ((c == '$' || c == '@') && (is_name_char(next) || next == '{'))
			return refuse(perl, (size_t)(inside.at - perl->source.at) + i,
				      "a variable inside a text is not computed: write out what "
				      "it stands for");
		if (c == '\\' && next != '\0') {
			c = escaped_char(next);
			i++;
		}
		text_add_char(&text, c);
	}
	return keep(perl, &text, text_out);
}

/* qr/pattern/flags: what (?flags) in front of the pattern says as well */
static bool pattern_text(struct perl *perl, struct span inside, struct span *text_out)
{
	TEXT(text, TEXT_BYTES_MAX);
	struct span flags = take_name(perl);

	if (flags.len > 0) {
		text_add(&text, SPAN("(?"));
		text_add(&text, flags);
		text_add_char(&text, ')');
	}
	text_add(&text, inside);
	return keep(perl, &text, text_out);
}

/* --- values --- */

static bool number_value(struct perl *perl, struct span *text_out)
{
	size_t begin = perl->at;

	if (peek(perl) == '-' || peek(perl) == '+')
		perl->at++;
	while (ascii_is_digit(peek(perl)) || peek(perl) == '.' || peek(perl) == 'e' ||
	       peek(perl) == 'E' ||
	       ((peek(perl) == '-' || peek(perl) == '+') &&
		ascii_lower(perl->source.at[perl->at - 1]) == 'e'))
		perl->at++;
	*text_out = span_of(perl->source.at + begin, perl->at - begin);
	return true;
}

static bool variable_value(struct perl *perl, struct span *text_out)
{
	size_t begin = perl->at++;
	struct span name = take_name(perl);

	for (size_t i = perl->file->setting_count; i-- > 0;) {
		const struct perl_setting *setting = &perl->file->setting[i];

		if (setting->sigil == '$' && span_equal(setting->name, name)) {
			*text_out = setting->value[0].text;
			return true;
		}
	}
	return refuse(perl, begin, "this variable is not set above");
}

/* q// qq// qr//, or a bare word */
static bool word_value(struct perl *perl, struct span *text_out)
{
	size_t begin = perl->at;
	struct span word = take_name(perl), inside;
	bool is_q = span_equal(word, SPAN("q")), is_qq = span_equal(word, SPAN("qq"));

	if (!is_q && !is_qq && !span_equal(word, SPAN("qr")))
		return refuse(perl, begin, "only plain values are understood here");
	skip_blanks(perl);
	if (perl->at == perl->source.len || !take_quoted(perl, &inside))
		return false;
	if (is_q)
		return plain_text(perl, inside, '\0', text_out);
	return is_qq ? full_text(perl, inside, text_out) : pattern_text(perl, inside, text_out);
}

static bool one_value(struct perl *perl, struct span *text_out)
{
	struct span inside;
	char c;

	skip_blanks(perl);
	c = peek(perl);
	if (c == '\'')
		return take_quoted(perl, &inside) && plain_text(perl, inside, '\'', text_out);
	if (c == '"')
		return take_quoted(perl, &inside) && full_text(perl, inside, text_out);
	if (ascii_is_digit(c) || c == '-' || c == '+' || c == '.')
		return number_value(perl, text_out);
	if (c == '$')
		return variable_value(perl, text_out);
	if (ascii_is_letter(c))
		return word_value(perl, text_out);
	return refuse(perl, perl->at, "a number or a text is wanted here");
}

/* Values joined with dots. */
static bool value(struct perl *perl, struct perl_value *value_out)
{
	TEXT(text, TEXT_BYTES_MAX);
	struct span part;

	skip_blanks(perl);
	value_out->at = perl->at;
	if (!one_value(perl, &value_out->text))
		return false;
	skip_blanks(perl);
	if (peek(perl) != '.')
		return true;
	text_add(&text, value_out->text);
	while (accept(perl, '.')) {
		if (!one_value(perl, &part))
			return false;
		text_add(&text, part);
	}
	return keep(perl, &text, &value_out->text);
}

static bool add_value(struct perl *perl, const struct perl_value *value)
{
	if (perl->value_count == PERL_VALUES_MAX) {
		perl->too_large = true;
		return refuse(perl, value->at, "this list is too long");
	}
	perl->value[perl->value_count++] = *value;
	return true;
}

/* qw(a b c) */
static bool word_list(struct perl *perl)
{
	struct span inside;

	perl->at += 2;
	skip_blanks(perl);
	if (perl->at == perl->source.len || !take_quoted(perl, &inside))
		return false;
	for (size_t i = 0; i < inside.len;) {
		struct perl_value word = { .at = (size_t)(inside.at - perl->source.at) + i };
		size_t begin = i;

		while (i < inside.len && !is_blank(inside.at[i]))
			i++;
		word.text = span_of(inside.at + begin, i - begin);
		if (word.text.len > 0 && !add_value(perl, &word))
			return false;
		i++;
	}
	return true;
}

static bool list(struct perl *perl)
{
	skip_blanks(perl);
	if (span_starts(rest_of(perl), SPAN("qw")))
		return word_list(perl);
	if (!accept(perl, '('))
		return refuse(perl, perl->at, "a list in parentheses is wanted here");
	while (!accept(perl, ')')) {
		struct perl_value element;

		if (accept(perl, ','))
			continue;
		if (!value(perl, &element) || !add_value(perl, &element))
			return false;
		skip_blanks(perl);
		if (span_starts(rest_of(perl), SPAN("=>")))
			perl->at += 2;
		else if (peek(perl) != ',' && peek(perl) != ')')
			return refuse(perl, perl->at, "a comma or ) is wanted here");
	}
	return true;
}

/* --- statements --- */

static bool add_setting(struct perl *perl, struct perl_setting *setting)
{
	struct perl_value *copy;

	if (perl->file->setting_count == PERL_SETTINGS_MAX) {
		perl->too_large = true;
		return refuse(perl, setting->at, "there are too many settings");
	}
	copy = ARENA_ARRAY(perl->arena, struct perl_value, perl->value_count + 1);
	if (copy == NULL) {
		perl->too_large = true;
		return false;
	}
	memcpy(copy, perl->value, perl->value_count * sizeof(*copy));
	setting->value = copy;
	setting->value_count = perl->value_count;
	perl->file->setting[perl->file->setting_count++] = *setting;
	return true;
}

static bool setting(struct perl *perl)
{
	struct perl_setting setting = { .sigil = peek(perl), .at = perl->at };
	struct perl_value single;

	perl->at++;
	setting.name = take_name(perl);
	perl->value_count = 0;
	if (!accept(perl, '='))
		return refuse(perl, setting.at, "only NAME = value; is understood");
	if (setting.sigil == '@') {
		if (!list(perl))
			return false;
	} else if (!value(perl, &single) || !add_value(perl, &single)) {
		return false;
	}
	if (!accept(perl, ';') && perl->at < perl->source.len)
		return refuse(perl, perl->at,
			      "only plain values are understood, no calculation: ; is wanted here");
	return add_setting(perl, &setting);
}

/* To behind the next semicolon or block, texts counted as one. */
static void skip_statement(struct perl *perl)
{
	struct span inside;
	unsigned depth = 0;

	for (skip_blanks(perl); perl->at < perl->source.len; skip_blanks(perl)) {
		char c = peek(perl);

		if ((c == '\'' || c == '"') && take_quoted(perl, &inside))
			continue;
		perl->at++;
		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (c != ';' && c != '}')
			continue;
		if (depth == 0 && (c == ';' || c == '}'))
			return;
	}
}

static void statement(struct perl *perl)
{
	size_t begin = perl->at;
	struct span word;
	bool understood;

	if (accept(perl, ';'))
		return;
	if (peek(perl) == '$' || peek(perl) == '@') {
		if (!setting(perl))
			skip_statement(perl);
		return;
	}
	word = take_name(perl);
	/* "my" and "our" stand before a setting; "1;" makes a file true */
	if (span_equal(word, SPAN("my")) || span_equal(word, SPAN("our")))
		return;
	if (span_equal(word, SPAN("__END__")) || span_equal(word, SPAN("__DATA__"))) {
		perl->at = perl->source.len;
		return;
	}
	understood = span_equal(word, SPAN("1")) || span_equal(word, SPAN("use")) ||
		     span_equal(word, SPAN("return"));
	if (!understood)
		perl_error(perl->file, begin, "this statement is not understood");
	skip_statement(perl);
}

enum err perl_read(struct perl_file *file, struct arena *arena)
{
	struct perl *perl = ARENA_NEW(arena, struct perl);

	if (perl == NULL || file->source.len > PERL_FILE_BYTES_MAX)
		return ERR_LIMIT;
	perl->file = file;
	perl->arena = arena;
	perl->source = file->source;
	for (skip_blanks(perl); perl->at < perl->source.len; skip_blanks(perl))
		statement(perl);
	return perl->too_large ? ERR_LIMIT : OK;
}
