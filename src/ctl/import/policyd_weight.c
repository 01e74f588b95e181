/* policyd_weight.c -- reads a policyd-weight.conf and writes a weighd.conf. */
#include "ctl/import/policyd_weight.h"

#include "base/ensure.h"
#include "base/number.h"
#include "ctl/import/policyd_weight_priv.h"
#include "mail/ip.h"

#include <math.h>
#include <stdlib.h>

enum {
	IMPORT_ARENA_BYTES = 16 * 1024 * 1024,
	POLICYD_WEIGHT_PORT = 12525,
	BUDGET_OFFSET = offsetof(struct classic_parameters, dns_errors_max),
};

/* --- values as Perl takes them --- */

/* The number at the front of a text, as Perl reads it; what follows is not looked at. */
static double perl_number(struct import *import, const struct perl_value *value)
{
	TEXT(text, 64);
	char *end;
	double number;

	text_add(&text, span_first(span_trim(value->text), 64));
	number = strtod(text_cstr(&text), &end);
	if (end == text.at || *end != '\0')
		perl_warning(&import->file, value->at, "this is read as a number");
	return isfinite(number) ? number : 0;
}

static void *member(struct import *import, const struct parameter *parameter)
{
	return (char *)&import->values + parameter->offset;
}

static double bounded(struct import *import, const struct parameter *parameter,
		      const struct perl_value *value)
{
	double number = perl_number(import, value);

	if (number < parameter->min || number > parameter->max) {
		perl_warning(&import->file, value->at, "out of range: cut to what is possible");
		number = number < parameter->min ? parameter->min : parameter->max;
	}
	return number;
}

/* Digits and a directly following s, m, h or d; "1.5m" is one second (2.2). */
static int64_t perl_duration_ms(struct span text, int64_t otherwise_ms)
{
	static const char units[] = "smhd";
	static const int64_t unit_ms[] = { 1000, 60000, 3600000, 86400000 };
	int64_t number = 0;
	const char *unit;
	size_t i = 0;

	while (i < text.len && !ascii_is_digit(text.at[i]))
		i++;
	if (i == text.len)
		return otherwise_ms;
	for (; i < text.len && ascii_is_digit(text.at[i]) && number < 100000000; i++)
		number = number * 10 + (text.at[i] - '0');
	unit = i < text.len && text.at[i] != '\0' ? strchr(units, text.at[i]) : NULL;
	return number * unit_ms[unit != NULL ? unit - units : 0];
}

static int64_t duration_value(struct import *import, const struct parameter *parameter,
			      const struct perl_value *value)
{
	enum { THREE_HOURS_MS = 10800000, THREE_DAYS_MS = 259200000 };

	if (strcmp(parameter->name, "NTIME") == 0)
		return (int64_t)(bounded(import, parameter, value) * 1000);
	return perl_duration_ms(value->text, strcmp(parameter->name, "PTIME") == 0 ? THREE_HOURS_MS
										   : THREE_DAYS_MS);
}

static bool take_pair(struct import *import, const struct parameter *parameter,
		      const struct perl_setting *setting)
{
	double *pair = member(import, parameter);

	if (setting->value_count != 2)
		perl_warning(&import->file, setting->at,
			     "a score is a pair, bad and good: what is missing counts 0");
	for (size_t i = 0; i < 2; i++)
		pair[i] = i < setting->value_count ? bounded(import, parameter, &setting->value[i])
						   : 0;
	return true;
}

/* Flat rows of four. */
static bool take_rows(struct import *import, const struct parameter *parameter,
		      const struct perl_setting *setting)
{
	struct list_rows *rows = member(import, parameter);
	size_t count = setting->value_count / 4;

	if (setting->value_count % 4 != 0)
		perl_error(
			&import->file, setting->at,
			"a row has four values, zone, hit, miss and name: the last one lacks some");
	if (count > UINT16_MAX)
		return false;
	rows->row = ARENA_ARRAY(&import->arena, struct list_row, count + 1);
	rows->count = 0;
	for (size_t i = 0; rows->row != NULL && i < count; i++) {
		const struct perl_value *value = &setting->value[4 * i];

		rows->row[rows->count++] = (struct list_row){
			.zone = value[0].text,
			.hit = perl_number(import, &value[1]),
			.miss = perl_number(import, &value[2]),
			.name = value[3].text,
		};
	}
	return rows->row != NULL;
}

static bool take_patterns(struct import *import, const struct perl_setting *setting)
{
	enum { PATTERNS_MAX = sizeof(import->pattern) / sizeof(*import->pattern) };

	import->pattern_count = 0;
	for (size_t i = 0; i < setting->value_count; i++) {
		if (import->pattern_count == PATTERNS_MAX) {
			perl_error(&import->file, setting->value[i].at, "too many patterns");
			break;
		}
		import->pattern[import->pattern_count++] = setting->value[i].text;
	}
	return true;
}

static bool take_value(struct import *import, const struct parameter *parameter,
		       const struct perl_setting *setting)
{
	const struct perl_value *value = setting->value;
	void *at = member(import, parameter);

	switch (parameter->type) {
	case PARAMETER_NUMBER: *(double *)at = bounded(import, parameter, value); return true;
	case PARAMETER_INTEGER:
		/* "at most" is cut off; only the budget of errors is used up by a part */
		*(int64_t *)at = (int64_t)(parameter->offset == BUDGET_OFFSET
						   ? ceil(bounded(import, parameter, value))
						   : floor(bounded(import, parameter, value)));
		return true;
	case PARAMETER_DURATION:
		*(int64_t *)at = duration_value(import, parameter, value);
		return true;
	case PARAMETER_FLAG: *(bool *)at = perl_number(import, value) == 1; return true;
	case PARAMETER_TEXT: *(struct span *)at = value->text; return true;
	case PARAMETER_PAIR: return take_pair(import, parameter, setting);
	case PARAMETER_LIST: return take_rows(import, parameter, setting);
	case PARAMETER_REGEX: return take_patterns(import, setting);
	case PARAMETER_TEXTS:
	case PARAMETER_NETWORKS: break; /* classic has none */
	}
	return false;
}

/* --- settings and rules --- */

static const struct parameter *parameter_of(const struct import_rule *rule)
{
	const char *name = rule->parameter != NULL ? rule->parameter : rule->name;

	for (const struct parameter *parameter = classic_parameter; parameter->name != NULL;
	     parameter++)
		if (strcmp(parameter->name, name) == 0)
			return parameter;
	ENSURE(false);
}

static const struct import_rule *rule_of(const struct perl_setting *setting)
{
	for (size_t i = 0; i < IMPORT_RULES; i++)
		if (span_equal(setting->name, span_cstr(import_rule[i].name)) &&
		    setting->sigil == import_rule[i].sigil)
			return &import_rule[i];
	return NULL;
}

const struct perl_setting *import_given(const struct import *import, const char *name)
{
	for (size_t i = 0; i < IMPORT_RULES; i++)
		if (strcmp(import_rule[i].name, name) == 0)
			return import->given[i];
	ENSURE(false);
}

static void take_settings(struct import *import)
{
	for (size_t i = 0; i < import->file.setting_count; i++) {
		const struct perl_setting *setting = &import->file.setting[i];
		const struct import_rule *rule = rule_of(setting);

		if (rule == NULL)
			perl_warning(&import->file, setting->at,
				     "policyd-weight has no such setting: left out");
		else if (rule->fate != FATE_KEPT || take_value(import, parameter_of(rule), setting))
			import->given[rule - import_rule] = setting;
	}
}

/* --- writing --- */

/* A text of the language: one line, \ and " with a backslash. */
void import_add_quoted(struct text *text, struct span s)
{
	text_add_char(text, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_add_char(text, '\\');
		text_add_char(text,
			      (unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f ? ' ' : s.at[i]);
	}
	text_add_char(text, '"');
}

static struct span scalar(const struct import *import, const char *name)
{
	const struct perl_setting *setting = import_given(import, name);

	return setting != NULL ? span_trim(setting->value[0].text) : span_of("", 0);
}

static void add_address(struct text *config, struct ip ip)
{
	bool is_v6 = ip.family == IP_V6;

	text_add(config, is_v6 ? SPAN("[") : SPAN(""));
	text_add_ip(config, ip);
	text_add(config, is_v6 ? SPAN("]") : SPAN(""));
}

static void write_address(struct import *import)
{
	const struct perl_setting *setting = import_given(import, "BIND_ADDRESS");
	struct span address = scalar(import, "BIND_ADDRESS");
	struct ip ip;

	if (span_equal_nocase(address, SPAN("all"))) {
		text_add(import->config, SPAN("0.0.0.0"));
	} else if (ip_parse(address, &ip) == OK) {
		add_address(import->config, ip);
	} else {
		if (address.len > 0)
			perl_error(&import->file, setting->value[0].at, "this is no address");
		text_add(import->config, SPAN("127.0.0.1"));
	}
}

static int64_t port_of(struct import *import)
{
	const struct perl_setting *setting = import_given(import, "TCP_PORT");
	int64_t port;

	if (setting == NULL)
		return POLICYD_WEIGHT_PORT;
	if (number_parse(scalar(import, "TCP_PORT"), &port) == OK && port >= 1 && port <= 65535)
		return port;
	perl_error(&import->file, setting->value[0].at, "this is no port");
	return POLICYD_WEIGHT_PORT;
}

static void write_listen(struct import *import)
{
	text_add(import->config, SPAN("listen   inet:"));
	write_address(import);
	text_add_char(import->config, ':');
	text_add_int(import->config, port_of(import));
	text_add(import->config, SPAN(" policy inbound\n"));
}

static void write_resolver(struct import *import)
{
	const struct perl_setting *setting = import_given(import, "NS");
	struct span rest = scalar(import, "NS"), word;
	unsigned count = 0;
	struct ip ip;

	text_add(import->config, SPAN("resolver "));
	while (span_cut(&rest, ' ', &word)) {
		if (word.len == 0)
			continue;
		if (ip_parse(word, &ip) != OK) {
			perl_error(&import->file, setting->value[0].at,
				   "a name server is given by its address");
			continue;
		}
		if (count++ > 0)
			text_add(import->config, SPAN(", "));
		text_add_ip(import->config, ip);
	}
	text_add(import->config, count == 0 ? SPAN("system\n") : SPAN("\n"));
}

static void write_config(struct import *import)
{
	text_add(import->config,
		 SPAN("# Made from a policyd-weight.conf by: weighctl import "
		      "policyd-weight\n"
		      "# What became of each setting: the same with --explain\n\n"));
	write_listen(import);
	if (import->options->control.len > 0) {
		text_add(import->config, SPAN("control  "));
		import_add_quoted(import->config, import->options->control);
		text_add_char(import->config, '\n');
	}
	write_resolver(import);
	text_add(import->config, SPAN("mode     enforce\n\npolicy inbound {\n"));
	if (import->options->modern)
		import_write_modern(import);
	else
		import_write_classic(import);
	text_add(import->config, SPAN("}\n"));
}

/* --- the explanation --- */

/* Numbers as they are, texts in quotes. */
static void explain_one(struct text *explain, struct span value)
{
	double number;

	if (decimal_parse(value, &number) == OK)
		text_add(explain, value);
	else
		import_add_quoted(explain, value);
}

static void explain_value(struct text *explain, const struct perl_setting *setting)
{
	enum { SHOWN_MAX = 60 };
	size_t begin = explain->len;

	text_add(explain, SPAN(" = "));
	if (setting->sigil == '@')
		text_add_char(explain, '(');
	for (size_t i = 0; i < setting->value_count; i++) {
		if (explain->len - begin > SHOWN_MAX) {
			text_add(explain, SPAN(", ..."));
			break;
		}
		if (i > 0)
			text_add(explain, SPAN(", "));
		explain_one(explain, span_first(setting->value[i].text, SHOWN_MAX));
	}
	if (setting->sigil == '@')
		text_add_char(explain, ')');
}

static struct span fate_word(const struct import_rule *rule, bool is_given)
{
	if (!is_given)
		return SPAN("default  ");
	switch (rule->fate) {
	case FATE_KEPT: return rule->note == NULL ? SPAN("kept     ") : SPAN("changed  ");
	case FATE_LISTEN:
	case FATE_RESOLVER: return SPAN("changed  ");
	case FATE_DROPPED: return SPAN("dropped  ");
	}
	ENSURE(false);
}

static void explain_lists(struct text *explain, const struct list_rows *rows)
{
	for (unsigned i = 0; i < rows->count; i++) {
		bool keep;
		const char *why = import_dead_list(rows->row[i].zone, &keep);

		if (why == NULL)
			continue;
		text_add(explain, keep ? SPAN("warning  ") : SPAN("dropped  "));
		text_add(explain, rows->row[i].zone);
		text_add(explain, SPAN(": "));
		text_add(explain, span_cstr(why));
		text_add_char(explain, '\n');
	}
}

static void write_explanation(struct import *import, struct text *explain)
{
	for (size_t i = 0; i < IMPORT_RULES; i++) {
		const struct import_rule *rule = &import_rule[i];
		const struct perl_setting *setting = import->given[i];

		text_add(explain, fate_word(rule, setting != NULL));
		text_add_char(explain, rule->sigil);
		text_add(explain, span_cstr(rule->name));
		if (setting != NULL)
			explain_value(explain, setting);
		if (rule->note != NULL) {
			text_add(explain, SPAN(": "));
			text_add(explain, span_cstr(rule->note));
		}
		text_add_char(explain, '\n');
	}
	explain_lists(explain, &import->values.dnsbl);
	explain_lists(explain, &import->values.rhsbl);
}

enum err import_policyd_weight(struct span perl, const struct import_options *options,
			       struct text *config_out, struct text *explain_out,
			       struct text *report_out)
{
	struct import *import = calloc(1, sizeof(*import));
	enum err err;

	if (import == NULL)
		return ERR_SYSTEM;
	import->options = options;
	import->values = classic_defaults;
	import->config = config_out;
	import->file.source = perl;
	import->file.path = options->path;
	import->file.report = report_out;
	arena_init(&import->arena, IMPORT_ARENA_BYTES);
	err = perl_read(&import->file, &import->arena);
	take_settings(import);
	write_config(import);
	write_explanation(import, explain_out);
	if (err == OK && (config_out->overrun || explain_out->overrun))
		err = ERR_LIMIT;
	if (err == OK && import->file.mistakes > 0)
		err = ERR_SYNTAX;
	arena_release(&import->arena);
	free(import);
	return err;
}
