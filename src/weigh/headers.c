/* headers.c -- what SPF and the reverse name said, as headers of the mail. */
#include "weigh/headers.h"

#include "base/ensure.h"
#include "mail/address.h"

/* --- words of strangers --- */

static char printable(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

/* A word that no reader of any of the two headers can take for more than one: less than the
 * dot-atom of RFC 5322 and the token of RFC 2045 allow. */
static bool is_plain(struct span value)
{
	bool was_dot = true;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (c == '.' ? was_dot
			     : !ascii_is_letter(c) && !ascii_is_digit(c) && c != '-' && c != '_')
			return false;
		was_dot = c == '.';
	}
	return !was_dot;
}

static void add_value(struct text *text, struct span value)
{
	if (is_plain(value)) {
		text_add(text, value);
		return;
	}
	text_add_char(text, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] == '"' || value.at[i] == '\\')
			text_add_char(text, '\\');
		text_add_char(text, printable(value.at[i]));
	}
	text_add_char(text, '"');
}

/* Inside of a comment; what does not fit is cut, between characters. */
static void add_remark(struct text *text, struct span remark)
{
	for (size_t i = 0; i < remark.len; i++) {
		char c = printable(remark.at[i]);
		bool is_escaped = c == '(' || c == ')' || c == '\\';

		if (text->len + is_escaped + 1 >= text->room)
			return;
		if (is_escaped)
			text_add_char(text, '\\');
		text_add_char(text, c);
	}
}

/* The value as it is written; false: it is longer than bytes_max, and left out. */
static bool value_write(struct text *written, struct span value, size_t bytes_max)
{
	add_value(written, value);
	return !written->overrun && written->len <= bytes_max;
}

static void add_client(struct text *text, const struct attempt *attempt)
{
	text_add(text, attempt->client_text.len > 0 ? attempt->client_text : SPAN("unknown"));
}

/* --- Received-SPF --- */

/* What the name and the longest result leave. */
enum { RECEIVED_SPF_KEYS_MAX = HEADER_TEXT_MAX - sizeof("Received-SPF: temperror") + 1 };

static const struct {
	struct span result, front, back;
} told[] = {
	{ SPAN_INIT("pass"), SPAN_INIT("domain of "), SPAN_INIT(" permits ") },
	{ SPAN_INIT("fail"), SPAN_INIT("domain of "), SPAN_INIT(" does not permit ") },
	{ SPAN_INIT("softfail"), SPAN_INIT("domain of "), SPAN_INIT(" discourages use of ") },
	{ SPAN_INIT("neutral"), SPAN_INIT("domain of "), SPAN_INIT(" says nothing about ") },
	{ SPAN_INIT("none"), SPAN_INIT("domain of "), SPAN_INIT(" names no senders, client ") },
	{ SPAN_INIT("permerror"), SPAN_INIT("broken record of "), SPAN_INIT(", client ") },
	{ SPAN_INIT("temperror"), SPAN_INIT("no answer from the DNS of "), SPAN_INIT(", client ") },
};

static void add_story(struct text *story, const struct attempt *attempt, struct span identity,
		      const struct spf_said *said)
{
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
		if (!span_equal(told[i].result, said->result))
			continue;
		add_remark(story, told[i].front);
		add_remark(story, span_first(identity, HEADER_COMMENT_MAX / 2));
		add_remark(story, told[i].back);
		add_client(story, attempt);
	}
	if (said->explanation.len == 0)
		return;
	add_remark(story, SPAN("; it explains: "));
	add_remark(story, said->explanation);
}

static void add_comment(struct text *header, struct text *story, size_t room)
{
	if (story->len + 3 > room)
		return;
	text_add(header, SPAN(" ("));
	text_add(header, text_span(story));
	text_add_char(header, ')');
}

/* The keys in the order of their weight: the last ones may find no room. */
static void add_keys(struct text *keys, const struct attempt *attempt, struct span receiver,
		     const struct spf_said *said)
{
	struct span sender = attempt->attribute[ATTRIBUTE_sender];
	const struct {
		const char *key;
		struct span value;
		size_t bytes_max;
		bool is_left_out;
	} pairs[] = {
		{ "receiver", receiver, HEADER_NAME_MAX, false },
		{ "client-ip", attempt->client_text, HEADER_NAME_MAX,
		  attempt->client_text.len == 0 },
		{ "envelope-from", sender, HEADER_VALUE_MAX, sender.len == 0 },
		{ "helo", attempt->attribute[ATTRIBUTE_helo_name], HEADER_NAME_MAX, false },
		{ "identity", said->is_helo ? SPAN("helo") : SPAN("mailfrom"), HEADER_NAME_MAX,
		  false },
		{ "problem", said->problem, HEADER_NAME_MAX, said->problem.len == 0 },
		{ "mechanism", said->mechanism, HEADER_NAME_MAX, said->mechanism.len == 0 },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		TEXT(written, HEADER_VALUE_MAX);

		if (pairs[i].is_left_out ||
		    !value_write(&written, pairs[i].value, pairs[i].bytes_max) ||
		    keys->len + strlen(pairs[i].key) + written.len + 4 > keys->room)
			continue;
		text_add(keys, keys->len > 0 ? SPAN("; ") : SPAN(" "));
		text_add(keys, span_cstr(pairs[i].key));
		text_add_char(keys, '=');
		text_add(keys, text_span(&written));
	}
}

void text_add_received_spf(struct text *header, const struct attempt *attempt, struct span receiver,
			   const struct spf_said *said)
{
	struct span identity =
		attempt->attribute[said->is_helo ? ATTRIBUTE_helo_name : ATTRIBUTE_sender];
	TEXT(keys, RECEIVED_SPF_KEYS_MAX);
	TEXT(story, HEADER_COMMENT_MAX);

	add_keys(&keys, attempt, receiver, said);
	ENSURE(!keys.overrun);
	add_story(&story, attempt, identity, said);
	text_add(header, SPAN("Received-SPF: "));
	text_add(header, said->result);
	add_comment(header, &story, RECEIVED_SPF_KEYS_MAX - keys.len);
	text_add(header, text_span(&keys));
}

/* --- Authentication-Results --- */

/* "; spf=pass (remark) smtp.helo=name" */
static void add_result(struct text *header, const char *method, struct span result,
		       struct span remark)
{
	text_add(header, SPAN("; "));
	text_add(header, span_cstr(method));
	text_add_char(header, '=');
	text_add(header, result);
	if (remark.len == 0)
		return;
	text_add(header, SPAN(" ("));
	text_add(header, remark);
	text_add_char(header, ')');
}

static void add_property(struct text *header, const char *property, const struct text *value)
{
	text_add_char(header, ' ');
	text_add(header, span_cstr(property));
	text_add_char(header, '=');
	text_add(header, text_span(value));
}

/* Only the domain of the sender: RFC 8601 section 5 warns of what local parts may tell. */
static void add_spf(struct text *header, const struct attempt *attempt, const struct spf_said *said,
		    size_t remark_max)
{
	struct span value =
		attempt->attribute[said->is_helo ? ATTRIBUTE_helo_name : ATTRIBUTE_sender];
	TEXT(written, HEADER_NAME_MAX);
	TEXT(remark, HEADER_REMARK_MAX);

	if (!said->is_helo && span_find(value, '@') < value.len)
		value = address_domain(value);
	if (said->result.len == 0 || !value_write(&written, value, HEADER_NAME_MAX))
		return;
	if (remark_max > 0)
		add_remark(&remark, said->problem.len > 0 ? said->problem : said->explanation);
	add_result(header, "spf", said->result, text_span(&remark));
	add_property(header, said->is_helo ? "smtp.helo" : "smtp.mailfrom", &written);
}

static void add_iprev(struct text *header, const struct attempt *attempt,
		      const struct authentication *authentication, size_t remark_max)
{
	TEXT(written, HEADER_NAME_MAX);
	TEXT(remark, 2 * HEADER_NAME_MAX);

	if (authentication->iprev.len == 0 || attempt->client_text.len == 0)
		return;
	if (remark_max > 0 && authentication->name.len <= HEADER_NAME_MAX)
		add_remark(&remark, authentication->name);
	add_value(&written, attempt->client_text);
	add_result(header, "iprev", authentication->iprev, text_span(&remark));
	add_property(header, "policy.iprev", &written);
}

static void add_all(struct text *header, const struct attempt *attempt,
		    const struct authentication *authentication, size_t remark_max)
{
	struct span host = authentication->host;
	size_t begin;

	text_add(header, SPAN("Authentication-Results: "));
	add_value(header, host.len > 0 && host.len <= HEADER_HOST_MAX ? host : SPAN("unknown"));
	begin = header->len;
	add_spf(header, attempt, &authentication->sender, remark_max);
	add_spf(header, attempt, &authentication->helo, remark_max);
	add_iprev(header, attempt, authentication, remark_max);
	if (header->len == begin)
		text_add(header, SPAN("; none"));
}

void text_add_authentication_results(struct text *header, const struct attempt *attempt,
				     const struct authentication *authentication)
{
	TEXT(whole, HEADER_TEXT_MAX);

	add_all(&whole, attempt, authentication, HEADER_REMARK_MAX);
	if (whole.overrun) {
		text_clear(&whole);
		add_all(&whole, attempt, authentication, 0);
	}
	ENSURE(!whole.overrun);
	text_add(header, text_span(&whole));
}

/* --- what the policy found --- */

/* The first statement of the check that has a finding; identity 0: any.
 *
 * @return VALUE_KNOWN, VALUE_PENDING or VALUE_NONE; ordinal_out only when VALUE_KNOWN
 */
static enum value_state find_weighed(const struct walk *walk, struct span check, unsigned identity,
				     unsigned *ordinal_out)
{
	enum value_state state = VALUE_NONE;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++) {
		const struct statement *weigh = walk->policy->weigh[i];

		if (!span_equal(span_cstr(weigh->check->name), check) || walk->is_skipped[i] ||
		    (identity != 0 && (weigh->arguments.subjects & identity) == 0))
			continue;
		if (walk->is_weighed[i]) {
			*ordinal_out = i;
			return VALUE_KNOWN;
		}
		state = VALUE_PENDING;
	}
	return state;
}

static struct span finding_of(const struct walk *walk, unsigned ordinal)
{
	const struct statement *weigh = walk->policy->weigh[ordinal];
	unsigned count = statement_finding_count(weigh);

	for (unsigned i = 0; i < count; i++)
		if (walk->findings[ordinal].times[i] > 0)
			return statement_finding_name(weigh, i);
	return walk->findings[ordinal].unknown != 0 ? SPAN("temperror") : SPAN("");
}

static struct span text_of(const struct walk *walk, unsigned ordinal, const char *name)
{
	const struct check *check = walk->policy->weigh[ordinal]->check;

	for (unsigned i = 0; i < FINDING_TEXTS_MAX && check->text[i] != NULL; i++)
		if (strcmp(check->text[i], name) == 0)
			return walk->findings[ordinal].text[i];
	return SPAN("");
}

static enum value_state spf_find(const struct walk *walk, enum subject identity,
				 struct spf_said *said_out)
{
	unsigned ordinal;
	enum value_state state = find_weighed(walk, SPAN("spf"), identity, &ordinal);

	if (state != VALUE_KNOWN)
		return state;
	*said_out = (struct spf_said){
		.result = finding_of(walk, ordinal),
		/* A null sender's identity is made of the HELO name: RFC 7208 section 2.4. */
		.is_helo = identity == SUBJECT_HELO ||
			   walk->attempt->attribute[ATTRIBUTE_sender].len == 0,
		.mechanism = text_of(walk, ordinal, "mechanism"),
		.problem = text_of(walk, ordinal, "problem"),
		.explanation = text_of(walk, ordinal, "explanation"),
	};
	return said_out->result.len > 0 ? VALUE_KNOWN : VALUE_NONE;
}

static struct span iprev_result(struct span finding)
{
	static const struct {
		struct span finding, result;
	} words[] = {
		{ SPAN_INIT("confirmed"), SPAN_INIT("pass") },
		{ SPAN_INIT("mismatch"), SPAN_INIT("fail") },
		/* RFC 8601 section 2.7.3: no PTR record. */
		{ SPAN_INIT("none"), SPAN_INIT("permerror") },
		{ SPAN_INIT("temperror"), SPAN_INIT("temperror") },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_equal(words[i].finding, finding))
			return words[i].result;
	return SPAN("");
}

static enum value_state iprev_find(const struct walk *walk, struct authentication *authentication)
{
	unsigned ordinal;
	enum value_state state = find_weighed(walk, SPAN("fcrdns"), 0, &ordinal);

	if (state == VALUE_KNOWN) {
		authentication->iprev = iprev_result(finding_of(walk, ordinal));
		authentication->name = text_of(walk, ordinal, "name");
	}
	return state;
}

static struct value kept(const struct walk *walk, const struct text *header)
{
	struct span copy = arena_copy(walk->ledger->arena, text_span(header));

	if (copy.at == NULL)
		return (struct value){ .state = VALUE_UNKNOWN };
	return (struct value){ .text = copy };
}

static struct value received_spf(const struct walk *walk, const struct spf_said *said)
{
	TEXT(header, HEADER_TEXT_MAX);

	text_add_received_spf(&header, walk->attempt, walk->policy->receiver, said);
	return kept(walk, &header);
}

struct value header_received_spf(const struct walk *walk)
{
	struct spf_said said;
	enum value_state state = spf_find(walk, SUBJECT_SENDER, &said);

	if (state == VALUE_NONE && walk->attempt->attribute[ATTRIBUTE_sender].len == 0)
		state = spf_find(walk, SUBJECT_HELO, &said);
	return state == VALUE_KNOWN ? received_spf(walk, &said) : (struct value){ .state = state };
}

struct value header_received_spf_helo(const struct walk *walk)
{
	struct spf_said said;
	enum value_state state = spf_find(walk, SUBJECT_HELO, &said);

	return state == VALUE_KNOWN ? received_spf(walk, &said) : (struct value){ .state = state };
}

struct value header_authentication_results(const struct walk *walk)
{
	struct authentication authentication = { .host = walk->policy->hostname };
	enum value_state sender = spf_find(walk, SUBJECT_SENDER, &authentication.sender);
	enum value_state helo = spf_find(walk, SUBJECT_HELO, &authentication.helo);
	enum value_state iprev = iprev_find(walk, &authentication);
	TEXT(header, HEADER_TEXT_MAX);

	if (sender == VALUE_PENDING || helo == VALUE_PENDING || iprev == VALUE_PENDING)
		return (struct value){ .state = VALUE_PENDING };
	/* Both would be of the HELO name. */
	if (helo == VALUE_KNOWN && authentication.sender.is_helo)
		authentication.sender = (struct spf_said){ 0 };
	text_add_authentication_results(&header, walk->attempt, &authentication);
	return kept(walk, &header);
}
