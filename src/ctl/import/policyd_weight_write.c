/* policyd_weight_write.c -- the policy: classic with its parameters, or the clean checks. */
#include "ctl/import/policyd_weight_priv.h"

/* A word of the language needs no quotes. */
static bool is_word(struct span s)
{
	if (s.len == 0 || !ascii_is_letter(s.at[0]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_letter(s.at[i]) && !ascii_is_digit(s.at[i]) &&
		    !(i > 0 && (s.at[i] == '.' || s.at[i] == '-' || s.at[i] == '_')))
			return false;
	return !span_equal(s, SPAN("none"));
}

static void add_word(struct text *text, struct span s)
{
	if (is_word(s))
		text_add(text, s);
	else
		import_add_quoted(text, s);
}

/* --- classic --- */

static void add_row(struct text *config, const char *kind, const struct list_row *row)
{
	text_add(config, span_cstr(kind));
	text_add_char(config, ' ');
	add_word(config, row->zone);
	text_add_char(config, ' ');
	text_add_double(config, row->hit);
	text_add_char(config, ' ');
	text_add_double(config, row->miss);
	text_add_char(config, ' ');
	add_word(config, row->name);
}

static void write_rows(struct text *config, const char *kind, const struct list_rows *rows,
		       unsigned rows_max)
{
	unsigned written = 0;

	for (unsigned i = 0; i < rows->count; i++) {
		bool keep = true;
		const char *why = import_dead_list(rows->row[i].zone, &keep);
		bool asked = keep && written < rows_max && rows->row[i].zone.len > 0 &&
			     rows->row[i].name.len > 0;

		if (!asked && why == NULL)
			why = written == rows_max ? "more lists than can be asked"
						  : "a list without a zone or a name";
		if (why != NULL) {
			text_add(config, SPAN("\t\t# "));
			text_add(config, span_cstr(why));
			text_add(config, SPAN(":\n"));
		}
		text_add(config, asked ? SPAN("\t\t") : SPAN("\t\t# "));
		add_row(config, kind, &rows->row[i]);
		text_add_char(config, '\n');
		written += asked;
	}
	if (written == 0) {
		text_add(config, SPAN("\t\t"));
		text_add(config, span_cstr(kind));
		text_add(config, SPAN(" none\n"));
	}
}

static void add_milliseconds(struct text *config, int64_t ms)
{
	text_add_int(config, ms % 1000 == 0 ? ms / 1000 : ms);
	text_add(config, ms % 1000 == 0 ? SPAN("s") : SPAN("ms"));
}

static void write_patterns(struct import *import)
{
	for (unsigned i = 0; i < import->pattern_count; i++) {
		text_add(import->config, SPAN("\t\tdnsbl_checks_only_regexps "));
		import_add_quoted(import->config, import->pattern[i]);
		text_add_char(import->config, '\n');
	}
}

static void write_value(struct text *config, const struct parameter *parameter, const void *at)
{
	switch (parameter->type) {
	case PARAMETER_NUMBER: text_add_double(config, *(const double *)at); break;
	case PARAMETER_INTEGER: text_add_int(config, *(const int64_t *)at); break;
	case PARAMETER_DURATION: add_milliseconds(config, *(const int64_t *)at); break;
	case PARAMETER_FLAG: text_add(config, *(const bool *)at ? SPAN("yes") : SPAN("no")); break;
	case PARAMETER_TEXT: import_add_quoted(config, *(const struct span *)at); break;
	case PARAMETER_PAIR:
		text_add_double(config, ((const double *)at)[0]);
		text_add_char(config, ' ');
		text_add_double(config, ((const double *)at)[1]);
		break;
	case PARAMETER_REGEX:
	case PARAMETER_LIST:
	case PARAMETER_TEXTS:
	case PARAMETER_NETWORKS: break;
	}
}

static bool is_given(const struct import *import, const struct parameter *parameter)
{
	for (size_t i = 0; i < IMPORT_RULES; i++)
		if (import_rule[i].fate == FATE_KEPT &&
		    strcmp(import_rule[i].name, parameter->name) == 0)
			return import->given[i] != NULL;
	return false;
}

/* The lists are always written, for all to see; else what the file says. */
void import_write_classic(struct import *import)
{
	struct text *config = import->config;

	text_add(config, SPAN("\tweigh classic {\n"));
	for (const struct parameter *parameter = classic_parameter; parameter->name != NULL;
	     parameter++) {
		const void *at = (const char *)&import->values + parameter->offset;

		if (parameter->type == PARAMETER_LIST) {
			write_rows(config, parameter->name, at, (unsigned)parameter->max);
		} else if (parameter->type == PARAMETER_REGEX) {
			write_patterns(import);
		} else if (is_given(import, parameter)) {
			text_add(config, SPAN("\t\t"));
			text_add(config, span_cstr(parameter->name));
			text_add_char(config, ' ');
			write_value(config, parameter, at);
			text_add_char(config, '\n');
		}
	}
	text_add(config, SPAN("\t}\n"));
}

/* --- the clean checks --- */

static void write_finding(struct text *config, const char *name, double points)
{
	if (points == 0)
		return;
	text_add(config, SPAN("\t\t"));
	text_add(config, span_cstr(name));
	text_add_char(config, ' ');
	text_add_double(config, points);
	text_add_char(config, '\n');
}

static void write_zones(struct text *config, const char *check, const struct list_rows *rows)
{
	for (unsigned i = 0; i < rows->count; i++) {
		const struct list_row *row = &rows->row[i];
		bool keep;
		const char *why = import_dead_list(row->zone, &keep);

		if (row->zone.len == 0)
			continue;
		if (why != NULL) {
			text_add(config, SPAN("\t# "));
			text_add(config, span_cstr(why));
			text_add(config, SPAN(":\n\t# "));
		} else {
			text_add_char(config, '\t');
		}
		text_add(config, SPAN("weigh "));
		text_add(config, span_cstr(check));
		text_add_char(config, ' ');
		add_word(config, row->zone);
		text_add(config, SPAN(" { listed "));
		text_add_double(config, row->hit);
		if (row->miss != 0) {
			text_add(config, SPAN(", clear "));
			text_add_double(config, row->miss);
		}
		text_add(config, SPAN(" }\n"));
	}
}

static void write_identity(struct text *config, const struct classic_parameters *set)
{
	text_add(config, SPAN("\tweigh identity {\n"));
	write_finding(config, "helo_is_client", set->helo[1]);
	write_finding(config, "helo_in_client_network", set->subnet24[1]);
	write_finding(config, "helo_in_wider_network", set->subnet16[1]);
	write_finding(config, "helo_is_not_client", set->helo[0]);
	write_finding(config, "helo_is_address", set->helo_numeric[0]);
	write_finding(config, "helo_looks_dynamic", set->helo_dialup[0]);
	write_finding(config, "ptr_is_helo", set->client_ip_eq_helo[1]);
	write_finding(config, "ptr_shares_helo_domain", set->client_ip_eq_helo[1]);
	write_finding(config, "ptr_is_not_helo", set->client_ip_eq_helo[0]);
	write_finding(config, "ptr_looks_dynamic", set->client_dialup[0]);
	write_finding(config, "sender_is_client", set->helo_from_mx_eq_ip[1]);
	write_finding(config, "sender_in_client_network", set->subnet24[1]);
	write_finding(config, "sender_shares_helo_domain", set->from_verified[1]);
	write_finding(config, "sender_shares_client_domain", set->subnet24[1]);
	write_finding(config, "helo_forges_sender_domain", set->from_failed[0]);
	write_finding(config, "bogus_mx", set->bogus_mx[0]);
	text_add(config, SPAN("\t}\n"));
}

static void write_verdict(struct text *config, struct span text, double level)
{
	bool is_deferral = span_starts(text, SPAN("4"));

	text_add(config, is_deferral ? SPAN("\tdefer ") : SPAN("\treject "));
	import_add_quoted(config, text);
	text_add(config, SPAN(" if score >= "));
	text_add_double(config, level);
	text_add_char(config, '\n');
}

/* $ begins a value in a text of the language; a code is one only of three digits. */
static struct span refusal(struct import *import)
{
	TEXT(text, CLASSIC_TEXT_MAX);
	struct span from = import->values.reject_text;

	for (size_t i = 0; i < from.len; i++) {
		if (from.at[i] == '$')
			text_add_char(&text, '$');
		text_add_char(&text, from.at[i]);
	}
	return arena_copy(&import->arena, text_span(&text));
}

void import_write_modern(struct import *import)
{
	struct text *config = import->config;
	struct span text = refusal(import);

	text_add(config, SPAN("\tpass if recipient.local in [postmaster, abuse]\n\n"));
	write_zones(config, "dnsbl", &import->values.dnsbl);
	write_zones(config, "rhsbl", &import->values.rhsbl);
	write_identity(config, &import->values);
	text_add_char(config, '\n');
	write_verdict(config, text.len > 0 ? text : SPAN("refused by policy"),
		      import->values.reject_level);
	if (import->values.add_header)
		text_add(config, SPAN("\tprepend \"X-Weighd: $summary\"\n"));
}
