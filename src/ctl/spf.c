/* spf.c -- weighctl spf: what does SPF say about a client and a sender? */
#include "base/emit.h"
#include "base/number.h"
#include "checks/spf_host.h"
#include "ctl/ctl.h"
#include "ctl/resolver.h"
#include "sources/dns.h"
#include "weigh/case.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

enum {
	DEADLINE_DEFAULT_MS = 20 * 1000, /* RFC 7208 section 4.6.4 */
	DEADLINE_MAX_MS = 600 * 1000,
	QUESTION_MS = 5 * 1000,
	VOID_LIMIT_MAX = 10,
	ARENA_MAX = 16 * 1024 * 1024,
	CACHE_BYTES = 16 * 1024 * 1024,
};

/* One evaluation, from its question to its answer. */
struct spf {
	/* asked for */
	struct spf_question question;
	struct span sender;
	struct resolver resolver;
	int64_t deadline_ms;
	bool has_client, has_identity, wants_json;
	/* held */
	struct event_base *base;
	struct dns_cache *cache;
	struct dns *dns;
	struct event *deadline;
	struct arena arena;
	struct ledger ledger;
	struct dns_wait *wait[LEDGER_FACTS_MAX];
	size_t wait_count;
	struct spf_answer answer;
};

/* --- asking --- */

static void on_answer(struct dns_wait *wait)
{
	struct spf *spf = wait->owner;

	ledger_answered(&spf->ledger, wait->fact);
	if (!ledger_is_waiting(&spf->ledger))
		event_base_loopbreak(spf->base);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct spf *spf = context;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < spf->wait_count; i++)
		dns_forget(spf->dns, spf->wait[i]);
	ledger_close(&spf->ledger);
	event_base_loopbreak(spf->base);
}

static enum dns_resolver dns_resolver_of(enum resolver_kind kind)
{
	switch (kind) {
	case RESOLVER_RECURSIVE: return DNS_RECURSIVE;
	case RESOLVER_SYSTEM: return DNS_SYSTEM;
	case RESOLVER_ADDRESSES: break;
	}
	return DNS_ADDRESSES;
}

static struct dns *open_dns(struct spf *spf, const char **why_out)
{
	struct dns_address address = { spf->resolver.address[0].address,
				       spf->resolver.address[0].port };
	struct dns_options options = {
		.base = spf->base,
		.cache = spf->cache,
		.resolver = dns_resolver_of(spf->resolver.kind),
		.address = &address,
		.address_count = spf->resolver.address_count,
		.question_ms = QUESTION_MS,
		.questions_max = LEDGER_QUESTIONS_MAX,
		.questions_per_client = LEDGER_QUESTIONS_MAX,
		.questions_per_zone = LEDGER_QUESTIONS_MAX,
	};

	return dns_new(&options, why_out);
}

static int spf_open(struct spf *spf)
{
	struct dns_cache_options cache = { .bytes_max = CACHE_BYTES,
					   .questions_max = LEDGER_QUESTIONS_MAX };
	struct recall recall = { dns_recall, dns_release, NULL };
	struct timeval after = { spf->deadline_ms / 1000, spf->deadline_ms % 1000 * 1000 };
	const char *why = "out of memory";

	arena_init(&spf->arena, ARENA_MAX);
	spf->base = event_base_new();
	spf->cache = dns_cache_new(&cache);
	if (spf->base != NULL && spf->cache != NULL) {
		spf->dns = open_dns(spf, &why);
		spf->deadline = evtimer_new(spf->base, on_deadline, spf);
	}
	recall.self = spf->dns;
	ledger_init(&spf->ledger, &spf->arena, &recall);
	if (spf->dns != NULL && spf->deadline != NULL && evtimer_add(spf->deadline, &after) == 0)
		return EX_OK;
	ctl_say("cannot begin to ask the DNS: %s", why);
	return EX_OSERR;
}

static void spf_close(struct spf *spf)
{
	ledger_release(&spf->ledger);
	if (spf->deadline != NULL)
		event_free(spf->deadline);
	if (spf->dns != NULL)
		dns_free(spf->dns);
	if (spf->cache != NULL)
		dns_cache_free(spf->cache);
	if (spf->base != NULL)
		event_base_free(spf->base);
	arena_release(&spf->arena);
}

static void order(struct spf *spf, struct fact *fact)
{
	struct dns_wait *wait = ARENA_NEW(&spf->arena, struct dns_wait);

	if (wait == NULL) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_TOOLARGE;
		ledger_answered(&spf->ledger, fact);
		return;
	}
	*wait = (struct dns_wait){
		.fact = fact, .client = spf->question.client, .answered = on_answer, .owner = spf
	};
	spf->wait[spf->wait_count++] = wait;
	dns_ask(spf->dns, wait);
}

static void evaluate(struct spf *spf)
{
	struct fact *fact;

	for (;;) {
		spf_check_host(&spf->question, &spf->ledger, &spf->answer);
		if (spf->answer.result != SPF_PENDING)
			return;
		while ((fact = ledger_next_ordered(&spf->ledger)) != NULL)
			order(spf, fact);
		if (ledger_is_waiting(&spf->ledger))
			event_base_dispatch(spf->base);
	}
}

/* --- telling --- */

static void emit_member(struct emit *emit, struct span name, struct span text)
{
	emit_key(emit, name);
	emit_text(emit, text);
}

static int print_json(const struct spf *spf)
{
	const struct spf_answer *answer = &spf->answer;
	struct emit emit = { 0 };
	char *line;

	emit_begin(&emit, '{');
	emit_member(&emit, SPAN("result"), spf_result_name(answer->result));
	emit_member(&emit, SPAN("identity"), spf->sender.len > 0 ? SPAN("mailfrom") : SPAN("helo"));
	emit_member(&emit, SPAN("explanation"), answer->explanation);
	emit_member(&emit, SPAN("mechanism"), answer->mechanism);
	emit_member(&emit, SPAN("domain"), answer->domain);
	emit_member(&emit, SPAN("problem"), answer->problem);
	case_emit_facts(&emit, &spf->ledger);
	emit_end(&emit, '}');
	line = emit_take(&emit);
	if (line == NULL) {
		ctl_say("out of memory");
		return EX_OSERR;
	}
	puts(line);
	free(line);
	return EX_OK;
}

static int print_result(const struct spf *spf)
{
	ctl_print_line(stdout, spf_result_name(spf->answer.result));
	putchar('\n');
	if (spf->answer.explanation.len > 0) {
		ctl_print_line(stdout, spf->answer.explanation);
		putchar('\n');
	}
	return EX_OK;
}

/* --- the verb --- */

enum {
	OPTION_IP = 256,
	OPTION_SENDER,
	OPTION_HELO,
	OPTION_RESOLVER,
	OPTION_RECEIVER,
	OPTION_VOID_LIMIT,
	OPTION_DEADLINE,
};

static const struct option options[] = {
	CTL_LONG_OPTIONS,
	{ "ip", required_argument, NULL, OPTION_IP },
	{ "sender", required_argument, NULL, OPTION_SENDER },
	{ "helo", required_argument, NULL, OPTION_HELO },
	{ "resolver", required_argument, NULL, OPTION_RESOLVER },
	{ "receiver", required_argument, NULL, OPTION_RECEIVER },
	{ "void-limit", required_argument, NULL, OPTION_VOID_LIMIT },
	{ "deadline", required_argument, NULL, OPTION_DEADLINE },
	{ 0 },
};

static bool take_client(struct spf *spf, struct span text)
{
	struct ip client;

	if (ip_parse(text, &client) != OK)
		return false;
	spf->question.client = ip_unmapped(client);
	return spf->has_client = true;
}

/* The angle brackets of SMTP are no part of the address. */
static struct span take_sender(struct span text)
{
	if (text.len >= 2 && text.at[0] == '<' && text.at[text.len - 1] == '>')
		return span_of(text.at + 1, text.len - 2);
	return text;
}

static bool take_void_limit(struct spf *spf, struct span text)
{
	int64_t limit;

	if (number_parse(text, &limit) != OK || limit < 0 || limit > VOID_LIMIT_MAX)
		return false;
	spf->question.void_lookups_max = (unsigned)limit;
	return true;
}

/* 20s, or a bare number of seconds. */
static bool take_deadline(struct spf *spf, struct span text)
{
	int64_t ms, seconds;

	if (number_parse(text, &seconds) == OK && seconds <= DEADLINE_MAX_MS / 1000)
		ms = seconds * 1000;
	else if (duration_parse(text, &ms) != OK)
		return false;
	spf->deadline_ms = ms;
	return ms > 0 && ms <= DEADLINE_MAX_MS;
}

/* What an option wants, when it does not get it; NULL: it has. */
static const char *take_option(struct spf *spf, int option)
{
	struct span text = optarg == NULL ? SPAN("") : span_cstr(optarg);

	switch (option) {
	case 'j': spf->wants_json = true; return NULL;
	case OPTION_IP:
		return take_client(spf, text) ? NULL : "--ip wants an address, IPv4 or IPv6";
	case OPTION_SENDER:
		spf->sender = take_sender(text);
		spf->has_identity = true;
		return NULL;
	case OPTION_HELO:
		spf->question.helo = text;
		spf->has_identity = true;
		return NULL;
	case OPTION_RECEIVER: spf->question.receiver = text; return NULL;
	case OPTION_RESOLVER:
		return ctl_resolver_parse(text, &spf->resolver) ? NULL : CTL_RESOLVER_WANTED;
	case OPTION_VOID_LIMIT:
		return take_void_limit(spf, text) ? NULL : "--void-limit wants a number, 0 to 10";
	case OPTION_DEADLINE:
		return take_deadline(spf, text) ? NULL : "--deadline wants a time, like 20s";
	default: return "";
	}
}

static int run(struct spf *spf)
{
	int status = spf_open(spf);

	if (status == EX_OK) {
		evaluate(spf);
		status = spf->wants_json ? print_json(spf) : print_result(spf);
	}
	spf_close(spf);
	return status;
}

static int spf_run(const struct verb *verb, int argc, char **argv)
{
	struct spf spf = {
		.question = { .receiver = SPAN("unknown"),
			      .time_s = time(NULL),
			      .void_lookups_max = SPF_VOID_LOOKUPS_MAX },
		.resolver = { .kind = RESOLVER_SYSTEM },
		.deadline_ms = DEADLINE_DEFAULT_MS,
	};
	int option;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		const char *wrong;

		if (option == 'h')
			return ctl_help(verb);
		wrong = take_option(&spf, option);
		if (wrong != NULL)
			return *wrong == '\0' ? ctl_wrong_option(verb)
					      : ctl_usage(verb, "%s", wrong);
	}
	if (optind < argc)
		return ctl_usage(verb, "it takes options only");
	if (!spf.has_client)
		return ctl_usage(verb, "--ip is missing");
	if (!spf.has_identity)
		return ctl_usage(verb, "--sender or --helo is missing");
	spf_set_sender(&spf.question, spf.sender);
	return run(&spf);
}

const struct verb verb_spf = {
	.name = "spf",
	.summary = "say what SPF says about a client and a sender",
	.usage = "--ip ADDRESS --sender ADDRESS --helo NAME [OPTION ...]\n\n"
		 "Evaluate SPF (RFC 7208) for one client.  The first line is the result; the\n"
		 "second one, if any, the explanation that the domain gives for a fail.  Without\n"
		 "a sender it is the null sender: the HELO name is looked at.\n\n"
		 "  --ip ADDRESS      of the client, IPv4 or IPv6\n"
		 "  --sender ADDRESS  of the envelope, or a domain\n"
		 "  --helo NAME       as the client greeted\n"
		 "  --resolver WHO    ADDRESS, ADDRESS:PORT, recursive, or system (the default)\n"
		 "  --receiver NAME   for explanations (unknown)\n"
		 "  --void-limit N    look-ups that may find nothing (2)\n"
		 "  --deadline TIME   what has no answer by then has failed (20s)\n"
		 "  -j, --json        as one JSON line, with what decided and all answers\n\n"
		 "Example: weighctl spf --ip 192.0.2.1 --sender anna@example.org --helo mx\n\n"
		 "Exit: 0 a result was printed, 64 wrong call.\n",
	.run = spf_run,
};
