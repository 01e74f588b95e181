/* policyd_spf_write.c -- the policy that decides as policyd-spf did.
 *
 * The order is policyd-spf's: who is not asked at all, then HELO, then MAIL FROM, then the header.
 */
#include "base/ensure.h"
#include "base/number.h"
#include "ctl/import/policyd_spf_priv.h"
#include "mail/domain.h"
#include "mail/ip.h"

enum {
	LIST_ITEMS_MAX = 500,
	RELAYS_MAX = 40, /* a weigh statement each */
	VOID_LOOKUPS_MAX = 10,
	LOOKUP_S_MAX = 300,
	REPLY_MAX = 300,
	REASON_MAX = 48,
};

/* One of the two identities. */
struct identity {
	enum spf_setting reject, pass;
	struct span findings; /* of its weigh statement */
	struct span subject;
	struct span domain;
};

static const struct identity helo_identity = {
	.reject = SETTING_HELO_reject,
	.pass = SETTING_HELO_pass_restriction,
	.findings = SPAN_INIT("helo_spf"),
	.subject = SPAN_INIT(" of helo as helo_spf"),
	.domain = SPAN_INIT("helo_name"),
};

static const struct identity sender_identity = {
	.reject = SETTING_Mail_From_reject,
	.pass = SETTING_Mail_From_pass_restriction,
	.findings = SPAN_INIT("spf"),
	.subject = SPAN_INIT(""),
	.domain = SPAN_INIT("sender.domain"),
};

/* --- values --- */

static bool is(const struct spf_import *import, enum spf_setting setting, const char *word)
{
	return span_equal(import->value[setting], span_cstr(word));
}

/* One of the words, separated by blanks; else the default, and a word about it. */
static void check_word(struct spf_import *import, enum spf_setting setting, const char *words,
		       const char *standard)
{
	struct span rest = span_cstr(words), word;

	while (span_cut(&rest, ' ', &word))
		if (span_equal(word, import->value[setting]))
			return;
	spf_import_complain(import, setting, "not one of its words: the default is taken",
			    import->value[setting]);
	import->value[setting] = span_cstr(standard);
}

static void check_words(struct spf_import *import)
{
	check_word(import, SETTING_TestOnly, "0 1", "1");
	check_word(import, SETTING_HELO_reject, "Fail SPF_Not_Pass Softfail Null False No_Check",
		   "Fail");
	check_word(import, SETTING_Mail_From_reject, "Fail SPF_Not_Pass Softfail False No_Check",
		   "Fail");
	check_word(import, SETTING_PermError_reject, "True False", "False");
	check_word(import, SETTING_TempError_Defer, "True False", "False");
	check_word(import, SETTING_No_Mail, "True False", "False");
	check_word(import, SETTING_SPF_Enhanced_Status_Codes, "Yes No", "Yes");
	check_word(import, SETTING_Header_Type, "SPF AR None", "SPF");
}

static int64_t number_of(struct spf_import *import, enum spf_setting setting, int64_t least,
			 int64_t most, int64_t standard)
{
	int64_t number;

	if (number_parse(import->value[setting], &number) == OK && number >= least &&
	    number <= most)
		return number;
	spf_import_complain(import, setting, "no such number is possible: the default is taken",
			    import->value[setting]);
	return standard;
}

static void add(struct spf_import *import, const char *text)
{
	text_add(import->config, span_cstr(text));
}

/* The inside of a text of the language. */
static void add_literal(struct text *text, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (c == '"' || c == '\\')
			text_add_char(text, '\\');
		if (c == '$')
			text_add_char(text, '$');
		text_add_char(text, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
	}
}

/* --- lists --- */

/* A network as the language writes it; mapped ones as IPv4, which they are here. */
static bool add_network(struct text *list, struct span item)
{
	enum { MAPPED_BITS = 96 };
	struct prefix prefix;
	struct ip v4;

	if (prefix_parse(item, &prefix) != OK)
		return false;
	v4 = ip_unmapped(prefix.ip);
	if (v4.family != prefix.ip.family && prefix.bits >= MAPPED_BITS) {
		prefix.ip = v4;
		prefix.bits = (uint8_t)(prefix.bits - MAPPED_BITS);
	}
	text_add_prefix(list, &prefix);
	return true;
}

static bool is_name(struct span item)
{
	for (size_t i = 0; i < item.len; i++)
		if (!ascii_is_letter(item.at[i]) && !ascii_is_digit(item.at[i]) &&
		    item.at[i] != '-' && item.at[i] != '_' && item.at[i] != '.')
			return false;
	return domain_can_exist(item);
}

static bool add_name(struct text *list, struct span item)
{
	if (!is_name(item))
		return false;
	text_add_char(list, '"');
	text_add_lower(list, item);
	text_add_char(list, '"');
	return true;
}

/* "a|b" of a pattern: the name and what is below it. */
static bool add_pattern(struct text *list, struct span item)
{
	if (!is_name(item))
		return false;
	for (size_t i = 0; i < item.len; i++) {
		if (item.at[i] == '.')
			text_add_char(list, '\\');
		text_add_char(list, item.at[i]);
	}
	return true;
}

/* The items of a setting, with separators between them; a wrong one is said and left out.
 *
 * @return how many
 */
static unsigned add_items(struct spf_import *import, enum spf_setting setting, struct text *list,
			  const char *separator, bool (*add_item)(struct text *, struct span))
{
	struct span rest = import->value[setting], item;
	unsigned count = 0;

	while (span_cut(&rest, ',', &item)) {
		size_t len = list->len;

		item = span_trim(item);
		if (item.len == 0)
			continue;
		if (count == LIST_ITEMS_MAX) {
			spf_import_complain(import, setting, "too many: left out from here", item);
			break;
		}
		if (count > 0)
			text_add(list, span_cstr(separator));
		if (add_item(list, item)) {
			count++;
			continue;
		}
		list->len = len;
		spf_import_complain(import, setting, "not understood: left out", item);
	}
	return count;
}

/* --- who is not asked --- */

/* The header of a mail that is not checked, and the end of its way. */
static void write_skip(struct spf_import *import, const char *why, struct span condition)
{
	if (is(import, SETTING_Header_Type, "SPF")) {
		add(import, "\tprepend \"X-Comment: ");
		add(import, why);
		add(import, "; client-ip=$client_address\" if ");
		text_add(import->config, condition);
		add(import, "\n");
	} else if (is(import, SETTING_Header_Type, "AR")) {
		add(import, "\tprepend \"$authentication_results\" if ");
		text_add(import->config, condition);
		add(import, "\n");
	}
	add(import, "\tpass if ");
	text_add(import->config, condition);
	add(import, "\n");
}

static void write_networks(struct spf_import *import, enum spf_setting setting, const char *why)
{
	TEXT(condition, 8192);

	text_add(&condition, SPAN("client_address in ["));
	if (add_items(import, setting, &condition, ", ", add_network) == 0)
		return;
	text_add_char(&condition, ']');
	if (condition.overrun)
		spf_import_complain(import, setting, "too long: left out", import->value[setting]);
	else
		write_skip(import, why, text_span(&condition));
}

static void write_relays(struct spf_import *import)
{
	struct span rest = import->value[SETTING_Domain_Whitelist], item;
	unsigned count = 0;

	while (span_cut(&rest, ',', &item)) {
		TEXT(condition, 64);

		item = span_trim(item);
		if (item.len == 0)
			continue;
		if (!is_name(item) || count == RELAYS_MAX) {
			spf_import_complain(import, SETTING_Domain_Whitelist,
					    count == RELAYS_MAX ? "too many: left out"
								: "not understood: left out",
					    item);
			continue;
		}
		count++;
		text_addf(import->config, "\tweigh spf_relay { domain \"%.*s\" } as relay-%u\n",
			  SPAN_ARG(item), count);
		text_addf(&condition, "relay-%u.pass", count);
		write_skip(import, "SPF skipped for whitelisted relay domain",
			   text_span(&condition));
	}
}

static void write_helo_names(struct spf_import *import)
{
	TEXT(names, 8192);
	TEXT(condition, 8192 + 64);

	text_add(&names, SPAN("helo_name in ["));
	if (add_items(import, SETTING_HELO_Whitelist, &names, ", ", add_name) == 0)
		return;
	text_add_char(&names, ']');
	add(import, "\tweigh identity {} if ");
	text_add(import->config, text_span(&names));
	add(import, "\n");
	text_add(&condition, text_span(&names));
	text_add(&condition, SPAN(" and identity.helo_is_client"));
	write_skip(import, "SPF skipped for whitelisted HELO domain", text_span(&condition));
}

static void write_reverse_names(struct spf_import *import)
{
	TEXT(condition, 4096);

	text_add(&condition, SPAN("fcrdns.name matches /(^|\\.)("));
	if (add_items(import, SETTING_Domain_Whitelist_PTR, &condition, "|", add_pattern) == 0)
		return;
	text_add(&condition, SPAN(")$/i"));
	add(import, "\tweigh fcrdns {}\n");
	write_skip(import, "SPF skipped for PTR whitelisted relay domain", text_span(&condition));
}

/* --- refusals --- */

/* A link to a site that is gone helps nobody. */
static struct span without_link(struct span message)
{
	static const struct span link = SPAN_INIT("Please see {url}");
	size_t at = span_find_span(message, link);

	if (at < message.len && at + link.len == message.len)
		return span_trim(span_first(message, at));
	return message;
}

/* The reply: Reason_Message with its places filled; reason is written in the language. */
static void add_reply(struct spf_import *import, struct text *reply, const char *code,
		      const char *verb, const char *reason)
{
	struct span rest = without_link(import->value[SETTING_Reason_Message]);
	const struct {
		struct span place, text;
	} places[] = {
		{ SPAN_INIT("{rejectdefer}"), span_cstr(verb) },
		{ SPAN_INIT("{spf}"), span_cstr(reason) },
		{ SPAN_INIT("{url}"), SPAN_INIT("") },
	};

	if (is(import, SETTING_SPF_Enhanced_Status_Codes, "Yes"))
		text_add(reply, span_cstr(code));
	while (rest.len > 0) {
		size_t taken = 0;

		for (size_t i = 0; i < sizeof(places) / sizeof(*places) && taken == 0; i++)
			if (span_starts(rest, places[i].place)) {
				text_add(reply, places[i].text);
				taken = places[i].place.len;
			}
		if (taken == 0) {
			add_literal(reply, span_first(rest, 1));
			taken = 1;
		}
		rest = span_from(rest, taken);
	}
}

/* It must be a reply with the longest reason, too. */
static void check_message(struct spf_import *import)
{
	char longest[REASON_MAX + 1];
	TEXT(reply, REPLY_MAX);

	memset(longest, 'x', REASON_MAX);
	longest[REASON_MAX] = '\0';
	add_reply(import, &reply, "5.7.23 ", "rejected", longest);
	if (without_link(import->value[SETTING_Reason_Message]).len > 0 && !reply.overrun)
		return;
	spf_import_complain(import, SETTING_Reason_Message,
			    "empty or too long: the default is taken",
			    import->value[SETTING_Reason_Message]);
	import->value[SETTING_Reason_Message] = SPAN("Message {rejectdefer} due to: {spf}");
}

static void write_reject(struct spf_import *import, const char *code, const char *reason,
			 struct span condition)
{
	TEXT(reply, REPLY_MAX);

	ENSURE(strlen(reason) <= REASON_MAX);
	add_reply(import, &reply, code, "rejected", reason);
	ENSURE(!reply.overrun);
	text_addf(import->config, "\treject \"%.*s\" if %.*s\n", SPAN_ARG(text_span(&reply)),
		  SPAN_ARG(condition));
}

/* "spf.fail and more" */
static struct span condition_of(struct text *text, const struct identity *identity,
				const char *finding, struct span more)
{
	text_clear(text);
	text_add(text, identity->findings);
	text_add_char(text, '.');
	text_add(text, span_cstr(finding));
	text_add(text, more);
	return text_span(text);
}

static void write_not_pass_domains(struct spf_import *import, const struct identity *identity)
{
	static const struct {
		const char *finding, *reason;
	} results[] = {
		{ "fail", "Receiver policy for SPF Fail" },
		{ "softfail", "Receiver policy for SPF Softfail" },
		{ "neutral", "Receiver policy for SPF Neutral" },
	};
	TEXT(more, 8192);
	TEXT(condition, 8192 + 64);

	text_addf(&more, " and %.*s in [", SPAN_ARG(identity->domain));
	if (add_items(import, SETTING_Reject_Not_Pass_Domains, &more, ", ", add_name) == 0)
		return;
	text_add_char(&more, ']');
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		write_reject(import, "5.7.23 ", results[i].reason,
			     condition_of(&condition, identity, results[i].finding,
					  text_span(&more)));
}

/* fail: in the domain's own words, if it has any. */
static void write_fail(struct spf_import *import, const struct identity *identity)
{
	TEXT(more, 256);
	TEXT(explained, 256);
	TEXT(reason, 64);
	TEXT(condition, 512);

	if (is(import, identity->reject, "Null"))
		text_add(&more, SPAN(" and sender = \"\""));
	if (is(import, SETTING_No_Mail, "True"))
		text_addf(&more, " and %.*s.record = \"v=spf1 -all\"",
			  SPAN_ARG(identity->findings));
	text_addf(&explained, " and %.*s.explanation%.*s", SPAN_ARG(identity->findings),
		  SPAN_ARG(text_span(&more)));
	text_addf(&reason, "${%.*s.explanation}", SPAN_ARG(identity->findings));
	write_reject(import, "5.7.23 ", text_cstr(&reason),
		     condition_of(&condition, identity, "fail", text_span(&explained)));
	write_reject(import, "5.7.23 ", "SPF fail - not authorized",
		     condition_of(&condition, identity, "fail", text_span(&more)));
}

static void write_results(struct spf_import *import, const struct identity *identity)
{
	bool is_not_pass = is(import, identity->reject, "SPF_Not_Pass");
	TEXT(condition, 128);

	write_fail(import, identity);
	if (is(import, SETTING_No_Mail, "True"))
		return;
	if (is_not_pass || is(import, identity->reject, "Softfail"))
		write_reject(import, "5.7.23 ", "domain owner discourages use of this host",
			     condition_of(&condition, identity, "softfail", SPAN("")));
	if (is_not_pass)
		write_reject(import, "5.7.23 ", "access neither permitted nor denied",
			     condition_of(&condition, identity, "neutral", SPAN("")));
}

static void write_errors(struct spf_import *import, const struct identity *identity)
{
	TEXT(reason, 128);
	TEXT(reply, REPLY_MAX);
	TEXT(condition, 128);

	if (is(import, SETTING_PermError_reject, "True")) {
		text_addf(&reason, "SPF Permanent Error: ${%.*s.problem}",
			  SPAN_ARG(identity->findings));
		write_reject(import, "5.7.24 ", text_cstr(&reason),
			     condition_of(&condition, identity, "permerror", SPAN("")));
	}
	if (is(import, SETTING_TempError_Defer, "True")) {
		add_reply(import, &reply, "4.7.24 ", "deferred", "SPF Temporary Error");
		text_addf(import->config, "\treply \"DEFER_IF_PERMIT %.*s\" if %.*s\n",
			  SPAN_ARG(text_span(&reply)),
			  SPAN_ARG(condition_of(&condition, identity, "temperror", SPAN(""))));
	}
}

static void write_identity(struct spf_import *import, const struct identity *identity,
			   int64_t void_lookups)
{
	TEXT(condition, 128);
	struct span action = import->value[identity->pass];

	if (is(import, identity->reject, "No_Check"))
		return;
	text_addf(import->config, "\n\tweigh spf { void_lookups %d }%.*s\n", (int)void_lookups,
		  SPAN_ARG(identity->subject));
	write_not_pass_domains(import, identity);
	if (!is(import, identity->reject, "False")) {
		write_results(import, identity);
		write_errors(import, identity);
	}
	if (action.len == 0)
		return;
	add(import, "\treply \"");
	add_literal(import->config, action);
	text_addf(import->config, "\" if %.*s\n",
		  SPAN_ARG(condition_of(&condition, identity, "pass", SPAN(""))));
}

/* --- the whole --- */

static void write_settings(struct spf_import *import)
{
	struct span host = import->value[SETTING_Authserv_Id];

	add(import, "# Made from a policyd-spf.conf by: weighctl import policyd-spf\n"
		    "# What became of each setting: the same with --explain\n\n"
		    "listen   inet:127.0.0.1:12525 policy spf-policy\n");
	if (import->options->control.len > 0) {
		add(import, "control  \"");
		add_literal(import->config, import->options->control);
		add(import, "\"\n");
	}
	text_addf(import->config, "resolver system\ndeadline %ds\n",
		  (int)number_of(import, SETTING_Lookup_Time, 1, LOOKUP_S_MAX, 20));
	add(import,
	    is(import, SETTING_TestOnly, "0") ? "mode     observe\n" : "mode     enforce\n");
	if (!span_equal(host, SPAN("HOSTNAME")) && !is_name(host))
		spf_import_complain(import, SETTING_Authserv_Id, "no host name: left out", host);
	else if (!span_equal(host, SPAN("HOSTNAME")))
		text_addf(import->config, "hostname %.*s\n", SPAN_ARG(host));
	if (!is(import, SETTING_Hide_Receiver, "No"))
		add(import, "hide     receiver\n");
}

void spf_import_write(struct spf_import *import)
{
	int64_t void_lookups = number_of(import, SETTING_Void_Limit, 0, VOID_LOOKUPS_MAX, 2);

	check_words(import);
	check_message(import);
	write_settings(import);
	add(import, "\npolicy spf-policy {\n");
	write_networks(import, SETTING_skip_addresses, "SPF check N/A for local connections");
	write_networks(import, SETTING_Whitelist, "SPF skipped for whitelisted relay");
	write_relays(import);
	write_helo_names(import);
	write_reverse_names(import);
	write_identity(import, &helo_identity, void_lookups);
	write_identity(import, &sender_identity, void_lookups);
	if (is(import, SETTING_Header_Type, "SPF"))
		add(import, "\n\tprepend \"$received_spf\"\n");
	else if (is(import, SETTING_Header_Type, "AR"))
		add(import, "\n\tprepend \"$authentication_results\"\n");
	add(import, "}\n");
}
