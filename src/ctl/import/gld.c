/* gld.c -- gld.conf becomes a weighd.conf. */
#include "ctl/import/gld.h"

#include "ctl/import/gld_priv.h"
#include "ctl/import/list.h"
#include "ctl/import/sql_file.h"
#include "mail/domain.h"
#include "mail/ip.h"

static const struct setting gld_settings[] = {
#define SETTING(name, standard, fate, note)                                                        \
	{ SPAN_INIT(#name), SPAN_INIT(standard), SETTING_##fate, note },
	GLD_SETTINGS(SETTING)
#undef SETTING
};

void gld_read(struct settings *settings, struct span foreign, const struct import_options *options,
	      struct text *report)
{
	*settings = (struct settings){
		.known = gld_settings,
		.count = GLD_SETTING_COUNT,
		.path = options->path,
		.report = report,
	};
	settings_init(settings);
	settings_read(settings, foreign);
}

/* --- the white list --- */

struct white_list {
	struct arena arena;
	struct list senders, domains, networks;
	struct text *report;
	uint64_t unknown;
};

/* "1.2.3": the /24. */
static bool add_network24(struct list *networks, struct span item)
{
	TEXT(text, IP_TEXT_MAX + 4);
	struct prefix prefix;

	text_add(&text, item);
	text_add(&text, SPAN(".0/24"));
	if (text.overrun || prefix_parse(text_span(&text), &prefix) != OK)
		return false;
	list_add(networks, text_span(&text));
	return true;
}

static bool add_address(struct list *networks, struct span item)
{
	TEXT(text, IP_TEXT_MAX);
	struct ip ip;

	if (ip_parse(item, &ip) != OK)
		return false;
	text_add_ip(&text, ip_unmapped(ip));
	list_add(networks, text_span(&text));
	return true;
}

/* john@foo.tld, @bar.tld, 1.2.3.4, 1.2.3 */
static void take_white(void *owner, const struct sql_row *row)
{
	struct white_list *white = owner;
	struct span item;

	if (!span_equal_nocase(row->table, SPAN("whitelist")) ||
	    !sql_row_char(row, "mail", 0, &item) || item.len == 0)
		return;
	if (item.at[0] == '@' && item.len > 1)
		list_add(&white->domains, span_from(item, 1));
	else if (span_find(item, '@') < item.len)
		list_add(&white->senders, item);
	else if (!add_address(&white->networks, item) && !add_network24(&white->networks, item))
		sql_row_leave_out(row, &white->unknown, white->report, "none of gld's four forms",
				  item);
}

static enum err write_white_list(struct text *config, const struct import_options *options,
				 struct text *report)
{
	static const char *const wanted[] = { "whitelist", NULL };
	struct white_list white = { .report = report };
	struct sql_dump dump = { .wanted = wanted, .row = take_white, .owner = &white };
	enum err err;

	arena_init(&white.arena, LIST_ARENA_BYTES_MAX);
	white.senders.arena = white.domains.arena = white.networks.arena = &white.arena;
	err = sql_file_read(options->lists, &dump, report);
	list_write(config, &white.networks, "pass if client_address in", "", false);
	list_write(config, &white.senders, "pass if sender in", "", true);
	list_write(config, &white.domains, "pass if sender.domain in", "", true);
	if (white.unknown > 0)
		text_addf(report, "%llu rows of whitelist are none of gld's four forms: left out\n",
			  (unsigned long long)white.unknown);
	if (white.networks.is_full || white.senders.is_full || white.domains.is_full)
		err = ERR_LIMIT;
	arena_release(&white.arena);
	return err;
}

/* --- the policy --- */

static void write_head(struct settings *settings, struct text *config,
		       const struct import_options *options)
{
	bool is_local = settings_switch(settings, GLD_LOOPBACKONLY);
	long long port = (long long)settings_number(settings, GLD_PORT, 1, UINT16_MAX);

	config_add_heading(config, options, "gld");
	text_addf(config, "listen   inet:%s:%lld policy gld\n", is_local ? "127.0.0.1" : "0.0.0.0",
		  port);
	config_add_places(config, options);
	text_add(config, settings_switch(settings, GLD_SYSLOG) ? SPAN("log      syslog\n")
							       : SPAN("log      stderr\n"));
	text_add(config, SPAN("mode     enforce\n\n"));
}

/* A name as the language reads it: its last label is no number. */
static bool is_zone(struct span zone)
{
	size_t dot = span_rfind(zone, '.');

	for (size_t i = 0; i < zone.len; i++)
		if (!ascii_is_letter(zone.at[i]) && !ascii_is_digit(zone.at[i]) &&
		    (zone.at[i] != '-' || i == 0) && zone.at[i] != '.')
			return false;
	return dot + 1 < zone.len && ascii_is_letter(zone.at[dot + 1]) && domain_can_exist(zone);
}

static void write_dnswl(struct settings *settings, struct text *config)
{
	struct span zone = span_trim(settings->value[GLD_DNSWL]);

	if (zone.len == 0)
		return;
	if (!is_zone(zone)) {
		settings_complain(settings, settings->line[GLD_DNSWL], "no DNS list: left out",
				  zone);
		return;
	}
	text_add(config, SPAN("\tweigh dnswl "));
	text_add(config, zone);
	text_add(config, SPAN("\n\tpass if dnswl.hits > 0\n"));
}

/* A message that begins with 400 to 499 is the whole action; before another number stands 450, as
 * defer_if_permit stood. */
static void add_message(struct text *config, struct span message)
{
	struct span word = span_first(message, span_find(message, ' '));
	bool is_number = word.len == 3;

	for (size_t i = 0; i < word.len; i++)
		is_number &= ascii_is_digit(word.at[i]);
	text_add(config, is_number && word.at[0] != '4' ? SPAN("\"450 ") : SPAN("\""));
	config_add_literal(config, message.len > 0 ? span_first(message, CONFIG_TEXT_MAX)
						   : SPAN("Greylisted"));
	text_add_char(config, '"');
}

static void write_greylist(struct settings *settings, struct text *config)
{
	long long wait = (long long)settings_number(settings, GLD_MINTIME, 0, GLD_WAIT_S_MAX) + 1;
	long long trust = (long long)settings_number(settings, GLD_MXGREY, 0, UINT16_MAX);
	const char *by =
		settings_switch(settings, GLD_LIGHTGREY) ? "client_network" : "client_address";

	if (settings_switch(settings, GLD_TRAINING))
		text_add(config, SPAN("\t# TRAINING: all is done, and all passes\n\tobserve "));
	else
		text_add_char(config, '\t');
	text_addf(config,
		  "greylist for %llds within %dd remember %dd by %s, sender.untagged, recipient",
		  wait, GLD_WITHIN_DAYS, GLD_REMEMBER_DAYS, by);
	if (trust > 0)
		text_addf(config, " trust %lld for %dd every 0 of %s", trust, GLD_REMEMBER_DAYS,
			  by);
	else
		text_add(config, SPAN(" no trust"));
	text_addf(config, " no header failing %s ",
		  settings_switch(settings, GLD_ERRACCEPT) ? "pass" : "defer");
	add_message(config, settings->value[GLD_MESSAGE]);
	text_add_char(config, '\n');
}

enum err import_gld(struct span foreign, const struct import_options *options,
		    struct text *config_out, struct text *explain_out, struct text *report_out)
{
	static struct settings settings;
	enum err lists = OK;

	gld_read(&settings, foreign, options, report_out);
	write_head(&settings, config_out, options);
	text_add(config_out, SPAN("policy gld {\n"));
	if (settings_switch(&settings, GLD_WHITELIST) && options->lists != NULL)
		lists = write_white_list(config_out, options, report_out);
	else if (settings_switch(&settings, GLD_WHITELIST))
		text_add(config_out, SPAN("\t# its white list: --lists DUMP writes it here\n"));
	write_dnswl(&settings, config_out);
	write_greylist(&settings, config_out);
	text_add(config_out, SPAN("}\n"));
	settings_explain(&settings, explain_out);
	if (config_out->overrun || explain_out->overrun || lists == ERR_LIMIT)
		return ERR_LIMIT;
	return settings.mistakes > 0 || lists != OK ? ERR_SYNTAX : OK;
}
