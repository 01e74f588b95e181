/* settings.c -- see settings.h. */
#include "ctl/import/settings.h"

#include "base/ensure.h"
#include "base/escape.h"
#include "base/number.h"

void settings_init(struct settings *settings)
{
	ENSURE(settings->count <= SETTINGS_MAX);
	for (unsigned i = 0; i < settings->count; i++)
		settings->value[i] = settings->known[i].standard;
}

static void say(struct settings *settings, uint32_t line, const char *problem, struct span word)
{
	text_add_escaped(settings->report, settings->path, SETTING_SHOWN_MAX * 4);
	text_addf(settings->report, ":%u: %s: \"", line, problem);
	text_add_escaped(settings->report, word, SETTING_SHOWN_MAX);
	text_add(settings->report, SPAN("\"\n"));
}

void settings_complain(struct settings *settings, uint32_t line, const char *problem,
		       struct span word)
{
	TEXT(whole, 160);

	text_addf(&whole, "error: %s", problem);
	say(settings, line, text_cstr(&whole), word);
	settings->mistakes++;
}

void settings_warn(struct settings *settings, uint32_t line, const char *problem, struct span word)
{
	TEXT(whole, 160);

	text_addf(&whole, "warning: %s", problem);
	say(settings, line, text_cstr(&whole), word);
}

/* --- reading --- */

/* As far as it can be a name: where its sign of equality is missing a secret may follow. */
static struct span name_alone(struct span name)
{
	size_t len = 0;

	while (len < name.len &&
	       (ascii_is_letter(name.at[len]) || ascii_is_digit(name.at[len]) ||
		name.at[len] == '_' || name.at[len] == '-' || name.at[len] == '.'))
		len++;
	return span_first(name, len);
}

void settings_take(struct settings *settings, struct span name, struct span value, uint32_t line)
{
	for (unsigned i = 0; i < settings->count; i++)
		if (span_equal(name, settings->known[i].name)) {
			settings->value[i] = value;
			settings->line[i] = line;
			return;
		}
	settings_warn(settings, line, "no such setting is known: left out", name_alone(name));
}

void settings_read(struct settings *settings, struct span file)
{
	uint32_t strange_at = 0; /* the first line that is no comment */
	struct span line, strange = { 0 };
	bool has_settings = false;

	for (uint32_t number = 1; span_cut(&file, '\n', &line); number++) {
		size_t equals;
		struct span value;

		if (span_ends(line, SPAN("\r")))
			line.len--;
		line = span_trim(line);
		equals = span_find(line, '=');
		if (line.len == 0 || line.at[0] == '#')
			continue;
		if (strange_at == 0) {
			strange_at = number;
			strange = line;
		}
		if (equals == line.len)
			continue;
		value = span_trim(span_from(line, equals + 1));
		if (value.len >= 2 && span_starts(value, SPAN("\"")))
			value = span_first(span_from(value, 1),
					   span_find(span_from(value, 1), '"'));
		settings_take(settings, span_trim(span_first(line, equals)), value, number);
		has_settings = true;
	}
	if (strange_at > 0 && !has_settings)
		settings_complain(settings, strange_at, "no NAME=value is in this file",
				  name_alone(strange));
}

/* --- values --- */

int64_t settings_number(struct settings *settings, unsigned index, int64_t least, int64_t most)
{
	int64_t number;

	if (number_parse(settings->value[index], &number) == OK && number >= least &&
	    number <= most)
		return number;
	settings_complain(settings, settings->line[index],
			  "no such number is possible: the standard is taken",
			  settings->value[index]);
	ENSURE(number_parse(settings->known[index].standard, &number) == OK);
	return number;
}

bool settings_switch(struct settings *settings, unsigned index)
{
	return settings_number(settings, index, 0, 1) == 1;
}

/* --- the explanation --- */

static struct span fate_word(enum setting_fate fate, bool is_given)
{
	if (!is_given)
		return SPAN("default  ");
	switch (fate) {
	case SETTING_KEPT: return SPAN("kept     ");
	case SETTING_CHANGED: return SPAN("changed  ");
	case SETTING_SECRET:
	case SETTING_DROPPED: return SPAN("dropped  ");
	}
	ENSURE(false);
}

void settings_explain(const struct settings *settings, struct text *explain)
{
	for (unsigned i = 0; i < settings->count; i++) {
		const struct setting *setting = &settings->known[i];
		bool is_given = settings->line[i] > 0;

		text_add(explain, fate_word(setting->fate, is_given));
		text_add(explain, setting->name);
		if (is_given || settings->value[i].len > 0) {
			text_add(explain, SPAN(" = "));
			text_add_escaped(explain,
					 setting->fate == SETTING_SECRET ? SPAN("***")
									 : settings->value[i],
					 SETTING_SHOWN_MAX);
		}
		if (setting->note != NULL) {
			text_add(explain, SPAN(": "));
			text_add(explain, span_cstr(setting->note));
		}
		text_add_char(explain, '\n');
	}
}

/* --- writing --- */

void config_add_literal(struct text *config, struct span s)
{
	while (s.len > 0) {
		uint32_t character;
		size_t len = utf8_decode(s, &character);
		char c = s.at[0];

		if (c == '"' || c == '\\')
			text_add_char(config, '\\');
		if (c == '$')
			text_add_char(config, '$');
		if (len == 0)
			text_add_char(config, '?');
		else if (character < ' ' || (character >= 0x7f && character < 0xa0))
			text_add_char(config, ' ');
		else
			text_add(config, span_first(s, len));
		s = span_from(s, len == 0 ? 1 : len);
	}
}

void config_add_quoted(struct text *config, struct span s)
{
	text_add_char(config, '"');
	config_add_literal(config, s);
	text_add_char(config, '"');
}

void config_add_heading(struct text *config, const struct import_options *options,
			const char *daemon)
{
	text_add(config, SPAN("# weighd.conf, made of "));
	text_add_escaped(config, options->path, SETTING_SHOWN_MAX * 4);
	text_addf(config,
		  " by weighctl import %s.  What differs from\n# %s, and why: doc/%s.md\n\n",
		  daemon, daemon, daemon);
}

void config_add_places(struct text *config, const struct import_options *options)
{
	text_add(config, SPAN("store    sqlite \"/var/lib/weighd/state.db\"\n"));
	if (options->control.len == 0)
		return;
	text_add(config, SPAN("control  "));
	config_add_quoted(config, options->control);
	text_add_char(config, '\n');
}
