/* policyd_throttle.c -- modules 6 and 7: how much a sender sends and a recipient gets. */
#include "base/ensure.h"
#include "ctl/import/policyd_priv.h"
#include "weigh/rates.h"

enum { CONDITION_MAX = 300, PERIOD_MS_LEAST = 1000 };

static const struct policyd_subject by_host[] = {
	{ "host", "client_address", NULL, "client_network", "network" },
};
static const struct policyd_subject by_user[] = {
	{ "user", "sasl_username", NULL, NULL, NULL },
	{ "sender", "sender", "sasl_username", NULL, NULL },
};
static const struct policyd_subject by_sender[] = {
	{ "sender", "sender", NULL, "sender.domain", "domain" },
};

/* What is counted, and by which settings. */
static const struct {
	const char *name;
	enum policyd_setting most;
} kinds[] = {
	{ "messages", POLICYD_SENDERMSGLIMIT },
	{ "recipients", POLICYD_SENDERRCPTLIMIT },
	{ "bytes", POLICYD_SENDERQUOTALIMIT },
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

unsigned policyd_subjects(struct settings *settings, const struct policyd_subject **subject_out)
{
	bool is_by_user = settings_switch(settings, POLICYD_SENDER_THROTTLE_SASL);
	bool is_by_host = settings_switch(settings, POLICYD_SENDER_THROTTLE_HOST);

	if (is_by_user && is_by_host)
		settings_complain(settings, settings->line[POLICYD_SENDER_THROTTLE_HOST],
				  "Policyd does not start with SENDER_THROTTLE_SASL, too: left out",
				  SPAN("SENDER_THROTTLE_HOST"));
	*subject_out = is_by_user ? by_user : is_by_host ? by_host : by_sender;
	return is_by_user ? sizeof(by_user) / sizeof(*by_user) : 1;
}

/* --- one throttle --- */

struct throttle {
	struct policyd_import *import;
	const struct policyd_subject *subject;
	bool is_counted_apart; /* the verdict comes behind all of them */
	const char *name, *by;
	char condition[CONDITION_MAX];
};

/* A time in which is counted. */
static int64_t window(struct policyd_import *import, enum policyd_setting setting)
{
	return policyd_time_within(&import->settings, setting, PERIOD_MS_LEAST, RATE_PERIOD_MS_MAX);
}

static void add_rate(struct throttle *throttle, enum policyd_setting most)
{
	struct policyd_import *import = throttle->import;
	struct rates rates = {
		.rate = { { settings_number(&import->settings, most, 0, RATE_MOST_MAX),
			    window(import, POLICYD_SENDERTIMELIMIT) } },
		.count = 1,
	};

	text_add_rates(import->config, &rates);
}

static void add_quota_verdict(struct policyd_import *import)
{
	policyd_add_verdict(import,
			    settings_switch(&import->settings, POLICYD_QUOTA_EXCEEDED_TEMP_REJECT),
			    POLICYD_SENDER_QUOTA_REJECTION);
}

static void write_limits(struct throttle *throttle)
{
	struct policyd_import *import = throttle->import;
	struct text *config = import->config;

	for (unsigned i = 0; i < KINDS; i++) {
		text_addf(config, "\tlimit %s_%s by %s ", throttle->name, kinds[i].name,
			  throttle->by);
		add_rate(throttle, kinds[i].most);
		if (import->lists.messages.count > 0)
			text_addf(config, " from throttle_%s", kinds[i].name);
		text_addf(config, " counting %s else ", kinds[i].name);
		if (throttle->is_counted_apart)
			text_add(config, SPAN("observe"));
		else
			add_quota_verdict(import);
		text_addf(config, " %s%s\n", policyd_failing(import), throttle->condition);
	}
}

/* Who was blocked in enough windows is blacklisted: the first refusal of a window counts. */
static void write_abuse(struct throttle *throttle)
{
	struct policyd_import *import = throttle->import;
	struct text *config = import->config;
	const char *name = throttle->name;
	bool is_host = throttle->subject->by == by_host[0].by;
	long long number =
		(long long)settings_number(&import->settings,
					   POLICYD_SENDER_THROTTLE_AUTOBLACKLIST_NUMBER, 1, 1000);
	TEXT(over, CONDITION_MAX);

	text_addf(&over, "(%s_messages.over or %s_recipients.over or %s_bytes.over)", name, name,
		  name);
	text_addf(config, "\tlimit %s_blocked by %s 1/", name, throttle->by);
	text_add_duration(config, window(import, POLICYD_SENDERTIMELIMIT));
	text_addf(config, " counting messages else observe if %s\n", text_cstr(&over));
	if (number > 1)
		text_addf(config,
			  "\tlimit %s_abuse by %s %lld/31d counting messages else observe if %s "
			  "and not %s_blocked.over\n",
			  name, throttle->by, number - 1, text_cstr(&over), name);
	text_addf(config, "\tremember %s in %s for ", is_host ? "client_address" : "sender",
		  is_host ? POLICYD_BLACK : POLICYD_BLACK_SENDERS);
	policyd_add_keep(import, POLICYD_SENDER_THROTTLE_AUTOBLACKLIST_EXPIRE, EVER_DAYS);
	if (number > 1)
		text_addf(config, " if %s_abuse.over\n\t", name);
	else
		text_addf(config, " if %s\n\t", text_cstr(&over));
	add_quota_verdict(import);
	text_addf(config, " if %s\n", text_cstr(&over));
}

static void write_throttle(struct throttle *throttle, const char *name, const char *by)
{
	throttle->name = name;
	throttle->by = by;
	write_limits(throttle);
	if (throttle->is_counted_apart)
		write_abuse(throttle);
}

/* --- the modules --- */

/* " if PATTERN", with a and b where it has 1 and 2. */
static void condition_set(struct throttle *throttle, const char *pattern, const char *a,
			  const char *b)
{
	struct text text = { throttle->condition, 0, sizeof(throttle->condition), false };

	text_add(&text, SPAN(" if "));
	for (; *pattern != '\0'; pattern++)
		if (*pattern == '1')
			text_add(&text, span_cstr(a));
		else if (*pattern == '2')
			text_add(&text, span_cstr(b));
		else
			text_add_char(&text, *pattern);
	(void)text_cstr(&text);
	ENSURE(!text.overrun);
}

static void write_subject(struct policyd_import *import, const struct policyd_subject *subject)
{
	bool has_rows = import->lists.messages.count > 0;
	struct throttle throttle = {
		.import = import,
		.subject = subject,
		.is_counted_apart =
			settings_switch(&import->settings, POLICYD_SENDER_THROTTLE_AUTOBLACKLIST) &&
			subject->by != by_user[0].by && subject->if_none == NULL,
	};

	if (subject->if_none != NULL)
		condition_set(&throttle, "not 1", subject->if_none, "");
	else if (subject->within != NULL && has_rows)
		condition_set(&throttle, "1 in throttle_messages or not (2 in throttle_messages)",
			      subject->by, subject->within);
	write_throttle(&throttle, subject->name, subject->by);
	if (subject->within == NULL || !has_rows)
		return;
	condition_set(&throttle, "2 in throttle_messages and not (1 in throttle_messages)",
		      subject->by, subject->within);
	write_throttle(&throttle, subject->group, subject->within);
}

static void write_size(struct policyd_import *import, const struct policyd_subject *subject,
		       unsigned count)
{
	struct text *config = import->config;
	long long size = (long long)settings_number(&import->settings, POLICYD_SENDERMSGSIZE, 0,
						    RATE_MOST_MAX);

	text_add_char(config, '\t');
	policyd_add_verdict(import, false, POLICYD_SENDER_SIZE_REJECTION);
	text_add(config, SPAN(" if size >= "));
	if (import->lists.sizes.count == 0) {
		text_addf(config, "%lld\n", size);
		return;
	}
	text_add_char(config, '(');
	for (unsigned i = 0; i < count; i++) {
		text_addf(config, "throttle_size[%s] ?\? ", subject[i].by);
		if (subject[i].within != NULL)
			text_addf(config, "throttle_size[%s] ?\? ", subject[i].within);
	}
	text_addf(config, "%lld)\n", size);
}

static void write_recipient(struct policyd_import *import)
{
	struct text *config = import->config;

	if (!settings_switch(&import->settings, POLICYD_RECIPIENTTHROTTLE))
		return;
	text_add(config, SPAN("\n\t# what recipients get\n\tlimit recipient_mail by recipient "));
	text_addf(config, "%lld/",
		  (long long)settings_number(&import->settings, POLICYD_RECIPIENTMSGLIMIT, 0,
					     RATE_MOST_MAX));
	text_add_duration(config, window(import, POLICYD_RECIPIENTTIMELIMIT));
	if (import->lists.rcpt_messages.count > 0)
		text_add(config, SPAN(" from throttle_rcpt"));
	text_add(config, SPAN(" counting recipients else "));
	policyd_add_verdict(import,
			    settings_switch(&import->settings, POLICYD_QUOTA_EXCEEDED_TEMP_REJECT),
			    POLICYD_RECIPIENT_QUOTA_REJECTION);
	text_addf(config, " %s\n", policyd_failing(import));
}

void policyd_throttle_write(struct policyd_import *import)
{
	const struct policyd_subject *subject;
	unsigned count;

	if (settings_switch(&import->settings, POLICYD_SENDERTHROTTLE)) {
		count = policyd_subjects(&import->settings, &subject);
		text_add(import->config, SPAN("\n\t# what senders send\n"));
		write_size(import, subject, count);
		for (unsigned i = 0; i < count; i++)
			write_subject(import, &subject[i]);
	}
	write_recipient(import);
}
