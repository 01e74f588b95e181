/* policyd.c -- policyd.conf becomes a weighd.conf: the modules in Policyd's order. */
#include "ctl/import/policyd.h"

#include "base/number.h"
#include "ctl/import/policyd_priv.h"
#include "mail/ip.h"
#include "weigh/rates.h"
#include "weigh/tally.h"

static const struct setting policyd_settings[] = {
#define SETTING(name, standard, fate, note)                                                        \
	{ SPAN_INIT(#name), SPAN_INIT(standard), SETTING_##fate, note },
	POLICYD_SETTINGS(SETTING)
#undef SETTING
};

static const int64_t second_ms = 1000, minute_ms = 60 * 1000, day_ms = INT64_C(24) * 3600 * 1000;
enum { DELAY_DAYS = 7, WITHIN_DAYS = 59, OCTETS = 4 };

void policyd_read(struct settings *settings, struct span foreign,
		  const struct import_options *options, struct text *report)
{
	*settings = (struct settings){
		.known = policyd_settings,
		.count = POLICYD_SETTING_COUNT,
		.path = options->path,
		.report = report,
	};
	settings_init(settings);
	settings_read(settings, foreign);
}

/* --- values --- */

static bool time_parse(struct span s, int64_t *ms_out)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {
		{ 's', 1000 },
		{ 'm', 60 * 1000 },
		{ 'h', 3600 * 1000 },
		{ 'd', INT64_C(24) * 3600 * 1000 },
		{ 'w', INT64_C(7) * 24 * 3600 * 1000 },
		{ 'M', INT64_C(31) * 24 * 3600 * 1000 },
		{ 'Y', INT64_C(372) * 24 * 3600 * 1000 },
	};
	int64_t number;

	if (span_equal(s, SPAN("0"))) {
		*ms_out = 0;
		return true;
	}
	if (s.len < 2 || number_parse(span_first(s, s.len - 1), &number) != OK || number < 0 ||
	    number > INT32_MAX)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].unit == s.at[s.len - 1]) {
			*ms_out = number * units[i].ms;
			return true;
		}
	return false;
}

int64_t policyd_time(struct settings *settings, enum policyd_setting setting)
{
	int64_t ms = 0;

	if (time_parse(settings->value[setting], &ms))
		return ms;
	settings_complain(settings, settings->line[setting],
			  "no time with its unit: the standard is taken", settings->value[setting]);
	(void)time_parse(settings->known[setting].standard, &ms);
	return ms;
}

int64_t policyd_time_within(struct settings *settings, enum policyd_setting setting,
			    int64_t least_ms, int64_t most_ms)
{
	int64_t ms = policyd_time(settings, setting);

	return ms < least_ms ? least_ms : ms > most_ms ? most_ms : ms;
}

void policyd_add_keep(struct policyd_import *import, enum policyd_setting setting,
		      int64_t ever_days)
{
	int64_t ms = policyd_time_within(&import->settings, setting, 0, ever_days * day_ms);

	if (ms == 0)
		ms = ever_days * day_ms;
	text_add_duration(import->config, ms < minute_ms ? minute_ms : ms);
}

static bool is_on(struct policyd_import *import, enum policyd_setting setting)
{
	return settings_switch(&import->settings, setting);
}

static void add(struct policyd_import *import, const char *text)
{
	text_add(import->config, span_cstr(text));
}

void policyd_add_verdict(struct policyd_import *import, bool is_temporary,
			 enum policyd_setting text)
{
	add(import, is_temporary ? "defer \"Policy Rejection- " : "reject \"Policy Rejection- ");
	config_add_literal(import->config,
			   span_first(import->settings.value[text], CONFIG_TEXT_MAX));
	add(import, "\"");
}

const char *policyd_culprit(struct policyd_import *import)
{
	return is_on(import, POLICYD_BLACKLIST_NETBLOCK) ? "client_network" : "client_address";
}

const char *policyd_failing(struct policyd_import *import)
{
	return is_on(import, POLICYD_FAILSAFE) ? "failing pass" : "failing defer";
}

bool policyd_network(struct span row, struct text *network, bool *is_wide_out)
{
	unsigned octets = 0, wild = 0;
	struct span rest = row, part;
	struct prefix prefix;
	TEXT(text, IP_TEXT_MAX + 4);
	struct ip ip;

	*is_wide_out = false;
	if (ip_parse(row, &ip) == OK) {
		text_add_ip(network, ip_unmapped(ip));
		return !network->overrun;
	}
	while (octets + wild < OCTETS && span_cut(&rest, '.', &part)) {
		if (octets + wild > 0)
			text_add_char(&text, '.');
		if (span_equal(part, SPAN("%"))) {
			wild++;
			text_add_char(&text, '0');
		} else {
			octets += wild == 0 ? 1 : OCTETS; /* 1.%.3 is none */
			text_add(&text, part);
		}
	}
	text_addf(&text, "/%u", octets * 8);
	if (octets + wild != OCTETS || rest.len > 0 || octets == 0 || text.overrun ||
	    prefix_parse(text_span(&text), &prefix) != OK)
		return false;
	*is_wide_out = octets < OCTETS - 1;
	text_add_prefix(network, &prefix);
	return !network->overrun;
}

/* --- 1 and 2: lists --- */

static void write_white(struct policyd_import *import)
{
	struct policyd_lists *lists = &import->lists;

	if (is_on(import, POLICYD_WHITELISTING)) {
		add(import, "\tpass if client_address in " POLICYD_WHITE
			    " or client_network in " POLICYD_WHITE "\n");
		if (lists->white.count > 0)
			add(import, "\tpass if client_address in whitelist or "
				    "client_network in whitelist\n");
		list_write(import->config, &lists->white_wide, "pass if client_address in", "",
			   false);
	}
	if (is_on(import, POLICYD_WHITELISTNULL))
		add(import, "\tpass if not sender\n");
	if (is_on(import, POLICYD_WHITELISTSENDER) && lists->white_senders.count > 0)
		add(import, "\tpass if sender in whitelist_sender\n");
	if (is_on(import, POLICYD_WHITELISTSENDER) && lists->white_domains.count > 0)
		add(import, "\tpass if sender.domain in whitelist_sender_domain\n");
	if (is_on(import, POLICYD_WHITELISTDNSNAME))
		list_write_likes(import->config, &lists->white_names,
				 "pass if client_name != \"unknown\" and client_name matches", "");
}

/* "VERDICT if", with its tab; without BLACKLISTING it is only observed. */
static void add_black(struct policyd_import *import, bool is_acting)
{
	add(import, is_acting ? "\t" : "\tobserve ");
	policyd_add_verdict(import, is_on(import, POLICYD_BLACKLIST_TEMP_REJECT),
			    POLICYD_BLACKLIST_REJECTION);
	add(import, " if ");
}

static void write_black_names(struct policyd_import *import)
{
	TEXT(front, 1024);
	struct text *config = import->config;

	import->config = &front;
	policyd_add_verdict(import, is_on(import, POLICYD_BLACKLIST_TEMP_REJECT),
			    POLICYD_BLACKLIST_REJECTION);
	import->config = config;
	text_add(&front, SPAN(" if client_name != \"unknown\" and client_name matches"));
	list_write_likes(config, &import->lists.black_names, text_cstr(&front), "");
}

static void write_black_addresses(struct policyd_import *import)
{
	struct policyd_lists *lists = &import->lists;
	bool is_acting = is_on(import, POLICYD_BLACKLISTING);

	add_black(import, is_acting);
	add(import, "client_address in " POLICYD_BLACK " or client_network in " POLICYD_BLACK "\n");
	if (lists->black.count > 0) {
		add_black(import, is_acting);
		add(import, "client_address in blacklist or client_network in blacklist\n");
	}
	if (lists->black_wide.count > 0) {
		add_black(import, is_acting);
		add(import, "client_address in [");
		for (size_t i = 0; i < lists->black_wide.count; i++) {
			text_add(import->config, lists->black_wide.item[i]);
			add(import, i + 1 < lists->black_wide.count ? ",\n\t\t" : "]\n");
		}
	}
}

static void write_helo(struct policyd_import *import)
{
	if (!is_on(import, POLICYD_BLACKLIST_HELO) || import->lists.helo.count == 0)
		return;
	text_addf(import->config, "\tremember %s in " POLICYD_BLACK " for ",
		  policyd_culprit(import));
	policyd_add_keep(import, POLICYD_BLACKLIST_HELO_AUTO_EXPIRE, EVER_DAYS);
	add(import, " if helo_name in blacklist_helo\n");
	add_black(import, true);
	add(import, "helo_name in blacklist_helo\n");
}

/* SENDER_THROTTLE_AUTOBLACKLIST where senders are counted, not hosts. */
static bool blacklists_senders(struct policyd_import *import)
{
	return is_on(import, POLICYD_SENDERTHROTTLE) &&
	       is_on(import, POLICYD_SENDER_THROTTLE_AUTOBLACKLIST) &&
	       !is_on(import, POLICYD_SENDER_THROTTLE_HOST) &&
	       !is_on(import, POLICYD_SENDER_THROTTLE_SASL);
}

static void write_black(struct policyd_import *import)
{
	struct policyd_lists *lists = &import->lists;

	write_black_addresses(import);
	write_helo(import);
	if (blacklists_senders(import)) {
		add_black(import, is_on(import, POLICYD_BLACKLISTSENDER));
		add(import, "sender in " POLICYD_BLACK_SENDERS "\n");
	}
	if (is_on(import, POLICYD_BLACKLISTSENDER) && lists->black_senders.count > 0) {
		add_black(import, true);
		add(import, "sender in blacklist_sender\n");
	}
	if (is_on(import, POLICYD_BLACKLISTSENDER) && lists->black_domains.count > 0) {
		add_black(import, true);
		add(import, "sender.domain in blacklist_sender_domain\n");
	}
	if (is_on(import, POLICYD_BLACKLISTDNSNAME) && lists->black_names.count > 0)
		write_black_names(import);
}

/* --- 3 and 4: traps and changing HELO names --- */

static void write_traps(struct policyd_import *import)
{
	if (!is_on(import, POLICYD_SPAMTRAPPING) || import->lists.traps.count == 0)
		return;
	add(import, "\n\t# spam traps\n");
	text_addf(import->config, "\tremember %s in " POLICYD_BLACK " for ",
		  policyd_culprit(import));
	policyd_add_keep(import, POLICYD_SPAMTRAP_AUTO_EXPIRE, EVER_DAYS);
	add(import, " if recipient in spamtrap\n\t");
	policyd_add_verdict(import, false, POLICYD_SPAMTRAP_REJECTION);
	add(import, " if recipient in spamtrap\n");
}

static void write_helo_names(struct policyd_import *import)
{
	if (!is_on(import, POLICYD_HELO_CHECK))
		return;
	add(import, "\n\t# HELO names that change\n");
	text_addf(import->config, "\tlimit helo_names by client_address %lld/",
		  (long long)settings_number(&import->settings, POLICYD_HELO_MAX_COUNT, 1,
					     TALLY_SEEN_MAX - 1));
	policyd_add_keep(import, POLICYD_HELO_AUTO_EXPIRE, TRUST_EVER_DAYS);
	text_addf(import->config, " counting distinct helo_name else observe %s\n",
		  policyd_failing(import));
	text_addf(import->config, "\tremember %s in " POLICYD_BLACK " for ",
		  policyd_culprit(import));
	policyd_add_keep(import, POLICYD_HELO_BLACKLIST_AUTO_EXPIRE, EVER_DAYS);
	add(import, " if helo_names.over\n");
	add_black(import, true);
	add(import, "helo_names.over\n");
}

/* --- 5: greylisting --- */

static const char *triplet_by(struct policyd_import *import)
{
	int64_t octets = settings_number(&import->settings, POLICYD_GREYLIST_HOSTADDR, 1, OCTETS);

	return octets == OCTETS ? "client_address" : "client_network";
}

static void add_trust(struct policyd_import *import)
{
	if (!is_on(import, POLICYD_AUTO_WHITE_LISTING)) {
		add(import, " no trust");
		return;
	}
	text_addf(import->config, " trust %lld for ",
		  (long long)settings_number(&import->settings, POLICYD_AUTO_WHITELIST_NUMBER, 1,
					     1000000));
	policyd_add_keep(import, POLICYD_AUTO_WHITELIST_EXPIRE, TRUST_EVER_DAYS);
	text_addf(import->config, " every 0 of %s",
		  is_on(import, POLICYD_AUTO_WHITELIST_NETBLOCK) ? "client_network"
								 : "client_address");
}

/* Who is opted in: the address goes before its domain. */
static void add_opted(struct policyd_import *import)
{
	const char *rest = is_on(import, POLICYD_OPTINOUTALL) ? "\"1\"" : "\"0\"";

	if (!is_on(import, POLICYD_OPTINOUT))
		return;
	add(import, " if (");
	if (import->lists.opted.count > 0)
		add(import, "policy_address[recipient] ?\? ");
	if (import->lists.opted_domains.count > 0)
		add(import, "policy_domain[recipient.domain] ?\? ");
	text_addf(import->config, "%s) = \"1\"", rest);
}

/* How long a triplet waits for its return. */
static int64_t within(struct policyd_import *import)
{
	return policyd_time_within(&import->settings, POLICYD_TRIPLET_UNAUTH_TIMEOUT, minute_ms,
				   WITHIN_DAYS * day_ms);
}

static void add_greylist(struct policyd_import *import)
{
	int64_t delay_ms = policyd_time_within(&import->settings, POLICYD_TRIPLET_TIME, second_ms,
					       DELAY_DAYS * day_ms);
	int64_t within_ms = within(import);

	if (within_ms <= delay_ms) {
		settings_warn(&import->settings, import->settings.line[POLICYD_TRIPLET_TIME],
			      "nobody could come back in time: a day more is given",
			      import->settings.value[POLICYD_TRIPLET_TIME]);
		within_ms = delay_ms + day_ms;
	}
	add(import, "greylist for ");
	text_add_duration(import->config, delay_ms);
	add(import, " within ");
	text_add_duration(import->config, within_ms);
	add(import, " remember ");
	policyd_add_keep(import, POLICYD_TRIPLET_AUTH_TIMEOUT, TRUST_EVER_DAYS);
	text_addf(import->config, " by %s, sender, recipient", triplet_by(import));
	add_trust(import);
	text_addf(import->config, " no header %s \"Policy Rejection- ", policyd_failing(import));
	config_add_literal(import->config,
			   span_first(import->settings.value[POLICYD_GREYLIST_REJECTION],
				      CONFIG_TEXT_MAX));
	add(import, "\"");
	add_opted(import);
	add(import, "\n");
}

static void write_auto_black(struct policyd_import *import)
{
	long long number = (long long)settings_number(&import->settings,
						      POLICYD_AUTO_BLACKLIST_NUMBER, 1, 1000000);
	const char *is_new = "greylist.state in [\"new\", \"expired\"]";

	if (!is_on(import, POLICYD_AUTO_BLACK_LISTING))
		return;
	if (number > 1) {
		text_addf(import->config, "\tlimit new_triplets by %s %lld/", triplet_by(import),
			  number - 1);
		text_add_duration(import->config, within(import));
		text_addf(import->config, " counting recipients else observe %s if %s\n",
			  policyd_failing(import), is_new);
	}
	text_addf(import->config, "\tremember %s in " POLICYD_BLACK " for ",
		  policyd_culprit(import));
	policyd_add_keep(import, POLICYD_AUTO_BLACKLIST_EXPIRE, EVER_DAYS);
	text_addf(import->config, " if %s\n", number > 1 ? "new_triplets.over" : is_new);
}

static void write_greylist(struct policyd_import *import)
{
	bool trains = is_on(import, POLICYD_TRAINING_MODE);
	bool trains_some = policyd_time(&import->settings, POLICYD_TRAINING_POLICY_TIMEOUT) > 0;
	bool is_split = trains || trains_some || is_on(import, POLICYD_AUTO_BLACK_LISTING);

	if (!is_on(import, POLICYD_GREYLISTING))
		return;
	add(import, "\n\t# greylisting\n\t");
	if (is_split)
		add(import, "observe ");
	add_greylist(import);
	if (is_on(import, POLICYD_AUTO_WHITE_LISTING))
		add(import, "\tpass if greylist.state = \"trusted\"\n");
	write_auto_black(import);
	if (trains || !is_split)
		return;
	add(import, "\t");
	policyd_add_verdict(import, true, POLICYD_GREYLIST_REJECTION);
	add(import, " if greylist.state in [\"new\", \"early\", \"expired\"]");
	if (trains_some)
		add(import, " and not (recipient in " POLICYD_TRAINING
			    " or recipient.domain in " POLICYD_TRAINING ")");
	add(import, "\n");
}

/* --- the whole --- */

static void write_head(struct policyd_import *import, const struct import_options *options)
{
	struct settings *settings = &import->settings;
	struct span host = settings->value[POLICYD_BINDHOST];
	struct ip ip;

	if (ip_parse(host, &ip) != OK) {
		settings_complain(settings, settings->line[POLICYD_BINDHOST],
				  "no address: 127.0.0.1 is taken", host);
		host = SPAN("127.0.0.1");
		ip.family = IP_V4;
	}
	config_add_heading(import->config, options, "policyd");
	add(import, ip.family == IP_V6 ? "listen   inet:[" : "listen   inet:");
	text_add(import->config, host);
	text_addf(import->config, "%s:%lld policy policyd\n", ip.family == IP_V6 ? "]" : "",
		  (long long)settings_number(settings, POLICYD_BINDPORT, 1, UINT16_MAX));
	config_add_places(import->config, options);
	add(import, "log      syslog\nmode     enforce\n\n"
		    "# Who is listed for a time; weighctl known list NAME\n"
		    "table " POLICYD_WHITE " known\ntable " POLICYD_BLACK " known\n");
	if (policyd_time(settings, POLICYD_TRAINING_POLICY_TIMEOUT) > 0)
		add(import, "table " POLICYD_TRAINING " known\n");
}

static void write_policy(struct policyd_import *import)
{
	add(import, "\npolicy policyd {\n");
	if (is_on(import, POLICYD_GREYLIST_X_HEADER))
		add(import, "\tprepend \"X-Greylist: Passed host: ${client_address}\"\n\n");
	add(import, "\t# lists\n");
	write_white(import);
	write_black(import);
	write_traps(import);
	write_helo_names(import);
	write_greylist(import);
	policyd_throttle_write(import);
	add(import, "}\n");
}

enum err import_policyd(struct span foreign, const struct import_options *options,
			struct text *config_out, struct text *explain_out, struct text *report_out)
{
	static struct policyd_import import;
	enum err lists = OK;

	import = (struct policyd_import){ .config = config_out };
	policyd_read(&import.settings, foreign, options, report_out);
	arena_init(&import.lists.arena, LIST_ARENA_BYTES_MAX);
	if (options->lists != NULL)
		lists = policyd_lists_read(&import.lists, options->lists, &import.settings);
	write_head(&import, options);
	policyd_tables_write(&import);
	write_policy(&import);
	arena_release(&import.lists.arena);
	settings_explain(&import.settings, explain_out);
	if (config_out->overrun || explain_out->overrun || lists == ERR_LIMIT)
		return ERR_LIMIT;
	return import.settings.mistakes > 0 || lists != OK ? ERR_SYNTAX : OK;
}
