/* policyd_spf.c -- reads a policyd-spf.conf: "name = value" a line, # begins a comment anywhere. */
#include "ctl/import/policyd_spf.h"

#include "base/ensure.h"
#include "base/escape.h"
#include "ctl/import/policyd_spf_priv.h"

enum { SHOWN_MAX = 60 };

enum spf_fate { KEPT, CHANGED, DROPPED };

static const struct {
	struct span name, standard;
	enum spf_fate fate;
	const char *note;
} settings[] = {
#define SETTING(name, standard, fate, note) { SPAN_INIT(#name), SPAN_INIT(standard), fate, note },
	POLICYD_SPF_SETTINGS(SETTING)
#undef SETTING
};

/* --- reading --- */

static void complain(struct spf_import *import, uint32_t line, const char *kind,
		     const char *problem, struct span word)
{
	text_add_escaped(import->report, import->options->path, SHOWN_MAX * 4);
	text_addf(import->report, ":%u: %s: %s: \"", line, kind, problem);
	text_add_escaped(import->report, word, SHOWN_MAX);
	text_add(import->report, SPAN("\"\n"));
}

void spf_import_complain(struct spf_import *import, enum spf_setting setting, const char *problem,
			 struct span word)
{
	complain(import, import->line[setting], "error", problem, word);
	import->mistakes++;
}

static void take_line(struct spf_import *import, uint32_t number, struct span line)
{
	struct span text = span_trim(span_first(line, span_find(line, '#')));
	size_t equals = span_find(text, '=');
	struct span name = span_trim(span_first(text, equals));
	struct span value = span_trim(span_from(text, equals + 1));

	if (text.len == 0)
		return;
	if (equals == text.len || span_find(value, '=') < value.len) {
		complain(import, number, "error", "no \"name = value\": left out", text);
		import->mistakes++;
		return;
	}
	for (unsigned i = 0; i < SPF_SETTINGS; i++)
		if (span_equal(name, settings[i].name)) {
			import->value[i] = value;
			import->line[i] = number;
			return;
		}
	complain(import, number, "warning", "policyd-spf has no such setting: left out", name);
}

static void take_lines(struct spf_import *import, struct span foreign)
{
	struct span line;

	for (uint32_t number = 1; span_cut(&foreign, '\n', &line); number++) {
		if (span_ends(line, SPAN("\r")))
			line.len--;
		take_line(import, number, line);
	}
}

/* --- the explanation --- */

static struct span fate_word(enum spf_fate fate, bool is_given)
{
	if (!is_given)
		return SPAN("default  ");
	switch (fate) {
	case KEPT: return SPAN("kept     ");
	case CHANGED: return SPAN("changed  ");
	case DROPPED: return SPAN("dropped  ");
	}
	ENSURE(false);
}

static void write_explanation(const struct spf_import *import, struct text *explain)
{
	for (unsigned i = 0; i < SPF_SETTINGS; i++) {
		bool is_given = import->line[i] > 0;

		text_add(explain, fate_word(settings[i].fate, is_given));
		text_add(explain, settings[i].name);
		if (is_given || import->value[i].len > 0) {
			text_add(explain, SPAN(" = "));
			text_add_escaped(explain, import->value[i], SHOWN_MAX);
		}
		if (settings[i].note != NULL) {
			text_add(explain, SPAN(": "));
			text_add(explain, span_cstr(settings[i].note));
		}
		text_add_char(explain, '\n');
	}
}

enum err import_policyd_spf(struct span foreign, const struct import_options *options,
			    struct text *config_out, struct text *explain_out,
			    struct text *report_out)
{
	struct spf_import import = {
		.options = options,
		.config = config_out,
		.report = report_out,
	};

	for (unsigned i = 0; i < SPF_SETTINGS; i++)
		import.value[i] = settings[i].standard;
	take_lines(&import, foreign);
	spf_import_write(&import);
	write_explanation(&import, explain_out);
	if (config_out->overrun || explain_out->overrun)
		return ERR_LIMIT;
	return import.mistakes > 0 ? ERR_SYNTAX : OK;
}
