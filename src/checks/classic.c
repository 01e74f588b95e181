/* classic.c -- policyd-weight 0.1.15, whole: its evaluation, its arithmetic, its answers.
 *
 * For imported configurations, so that they score to the hundredth as before.  Its list sum
 * multiplies later scores and some enter squared, so it is no sum of weights and stands apart
 * from the other checks.  What it decides differently, and why, is in doc/policyd-weight.md.
 *
 *	weigh classic { REJECTLEVEL 1, dnsbl zen.example.org 4.35 0 ZEN, ... }
 *
 * Parameters bear policyd-weight's names (classic_parameters.c).  It hands over a judgement: a
 * refusal or deferral is final; when it passes, the policy goes on.
 *
 * One run does the stages below in order and stops at the first fact that has not come; then
 * everything that may be needed is ordered at once.  The longest chains: what is remembered,
 * then the lists of a client that was accepted before, then MX, then addresses of its hosts;
 * and then, where the sender has no '@', the domain lists.
 */
#include "checks/classic_priv.h"

#include "mail/address.h"
#include "mail/domain.h"

enum {
	CLASSIC_ROUNDS_MAX = 5,
	FOLDED_MAX = 5 * CLASSIC_VALUE_MAX,
	CLIENT_TEXT_MAX = 64,
};

/* What one run builds on; only what is written is ever read. */
struct workspace {
	char folded[FOLDED_MAX + 1];
	char client[CLIENT_TEXT_MAX + 1], reversed[IP_REVERSED_MAX + 1];
};

static struct span fold(const struct classic *c, enum attribute attribute, struct text *folded)
{
	struct span value = span_first(c->attempt->attribute[attribute], CLASSIC_VALUE_MAX);
	size_t at = folded->len;

	text_add_lower(folded, value);
	return span_of(folded->at + at, folded->len - at);
}

/* Like an empty value in the original's language. */
static struct span unless_zero(struct span value)
{
	return span_equal(value, SPAN("0")) ? span_first(value, 0) : value;
}

/* "joe+lists@example.org" -> "joe@example.org": from the first + or - to the last @ (4.1).
 * Done in place. */
static struct span strip_extension(struct span sender, char *bytes)
{
	size_t at = span_rfind(sender, '@');
	size_t cut = 0;

	if (at == sender.len)
		return sender;
	while (cut < at && sender.at[cut] != '+' && sender.at[cut] != '-')
		cut++;
	memmove(bytes + cut, bytes + at, sender.len - at);
	return span_of(bytes, cut + sender.len - at);
}

static struct span network(struct span client, int parts)
{
	size_t len = 0;

	for (; len < client.len && parts > 0; len++)
		parts -= client.at[len] == '.';
	return span_first(client, len);
}

/* The address as Postfix sent it; a mapped one stays IPv6, as in the original. */
static void read_client(struct classic *c, struct workspace *room)
{
	struct classic_request *r = &c->request;
	struct text client = { room->client, 0, sizeof(room->client), false };
	struct text reversed = { room->reversed, 0, sizeof(room->reversed), false };

	if (ip_parse(c->attempt->attribute[ATTRIBUTE_client_address], &r->client) != OK) {
		r->client.family = IP_NONE;
		text_add_lower(&client, span_first(c->attempt->attribute[ATTRIBUTE_client_address],
						   CLIENT_TEXT_MAX));
		r->client_text = text_span(&client);
		return;
	}
	text_add_ip_full(&client, r->client);
	text_add_ip_reversed(&reversed, r->client);
	r->client_text = text_span(&client);
	r->reversed = text_span(&reversed);
	if (r->client.family == IP_V4) {
		r->net24 = network(r->client_text, 3);
		r->net16 = network(r->client_text, 2);
	} else {
		r->net24 = span_first(r->client_text, 20);
		r->net16 = span_first(r->client_text, 15);
	}
}

static void read_request(struct classic *c, struct workspace *room)
{
	struct classic_request *r = &c->request;
	struct text folded = { room->folded, 0, sizeof(room->folded), false };
	struct span sender;

	r->instance = fold(c, ATTRIBUTE_instance, &folded);
	r->client_name = unless_zero(fold(c, ATTRIBUTE_client_name, &folded));
	r->helo = unless_zero(fold(c, ATTRIBUTE_helo_name, &folded));
	r->recipient = fold(c, ATTRIBUTE_recipient, &folded);
	sender = fold(c, ATTRIBUTE_sender, &folded);
	r->sender = unless_zero(strip_extension(sender, folded.at + folded.len - sender.len));
	r->sender_domain = address_domain(r->sender);
	r->match_domain = span_find(r->sender, '@') < r->sender.len ? r->sender_domain : r->sender;
	read_client(c, room);
	if (r->helo.len > 2 && r->helo.at[0] == '[' && r->helo.at[r->helo.len - 1] == ']')
		r->helo_is_own = classic_is_own_literal(span_of(r->helo.at + 1, r->helo.len - 2),
							r->client_text);
}

/* F, H and D of 4.8; D is needed while MX hosts are walked. */
static void read_names(struct classic *c)
{
	struct span domain = c->request.match_domain;

	c->from_label = classic_cut_suffix(domain);
	if (c->from_label.len < domain.len)
		c->from_label = classic_last_label(c->from_label);
	c->helo_name = classic_cut_suffix(c->request.helo);
	c->helo_label = classic_last_label(c->helo_name);
}

/* 4.2.1 and 4.2.2: mail that is never weighed */
bool classic_early(struct classic *c)
{
	struct span recipient = c->request.recipient;

	if (c->request.sender.len == 0) {
		classic_say(c, SPAN("DUNNO NULL (<>) Sender"));
		return false;
	}
	if (span_starts(recipient, SPAN("postmaster@")) || span_starts(recipient, SPAN("abuse@"))) {
		classic_say(c, SPAN("DUNNO mail for "));
		text_add(c->answer, recipient);
		return false;
	}
	return true;
}

static bool (*const stage[])(struct classic *c) = {
	classic_early,    classic_remembered,   classic_address_lists, classic_stop_after_lists,
	classic_forward,  classic_numeric,      classic_match,         classic_reverse,
	classic_oddities, classic_domain_lists, classic_verdict,
};

enum { STAGE_REMEMBERED = 1, STAGE_LISTS = 2, STAGE_COUNT = sizeof(stage) / sizeof(*stage) };

/* Order all that the stages from this one on may need. */
static void order_ahead(struct classic *c, unsigned at)
{
	if (at == STAGE_REMEMBERED)
		return; /* all of it is asked for; with luck nothing else is needed */
	classic_order_lists(c);
	if (at == STAGE_LISTS && classic_lists_may_end(c))
		return;
	classic_order_forward(c);
	(void)classic_ask_ptr(c);
	classic_order_domain_lists(c);
}

static void classic_weigh(const struct attempt *attempt, const struct arguments *arguments,
			  struct ledger *ledger, struct findings *found)
{
	TEXT(check, CLASSIC_TEXT_MAX);
	TEXT(answer, CLASSIC_TEXT_MAX + CLASSIC_VALUE_MAX);
	TEXT(key, 2 * CLASSIC_VALUE_MAX);
	struct workspace room;
	struct classic c;
	unsigned at = 0;

	/* the weights are written before they are read */
	memset(&c, 0, offsetof(struct classic, weight));
	memset((char *)&c + offsetof(struct classic, weight_count), 0,
	       offsetof(struct classic, memory) - offsetof(struct classic, weight_count));
	c.memory_count = 0;
	c.attempt = attempt;
	c.set = arguments->parameters;
	c.ledger = ledger;
	c.now_s = attempt->time_ms / 1000;
	c.budget = c.set->dns_errors_max;
	c.check = &check;
	c.answer = &answer;
	c.key = &key;
	read_request(&c, &room);
	read_names(&c);
	while (at < STAGE_COUNT && stage[at](&c))
		at++;
	if (c.is_waiting) {
		order_ahead(&c, at);
		found->pending = true;
		return;
	}
	classic_state_write(&c);
	found->own = classic_judgement(&c);
	/* without findings of its own: that something is unknown, its names are in own */
	found->unknown = found->own != NULL && found->own->unknown_count > 0;
}

const struct check check_classic = {
	.name = "classic",
	.parameter = classic_parameter,
	.parameters_bytes = sizeof(struct classic_parameters),
	.parameter_defaults = &classic_defaults,
	.asks_max = CLASSIC_QUESTIONS_MAX,
	.rounds_max = CLASSIC_ROUNDS_MAX,
	.weigh = classic_weigh,
};
