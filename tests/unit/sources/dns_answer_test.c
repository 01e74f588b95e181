/* dns_answer_test.c -- what packets say, honest and hostile ones. */
#include "../unit.h"
#include "sources/dns_answer.h"

#include <stdlib.h>

/* Packets are written down as string literals: an id, flags, the counts, the question
 * www.example, then records. */
#define HEAD(flags, rcode, answers, authorities, others)                                           \
	"\022\064" flags rcode "\0\001"                                                            \
	"\0" answers "\0" authorities "\0" others
#define NAME                 "\003www\007example\0"
#define QUESTION(type)       NAME "\0" type "\0\001"
#define REPLY(type, answers) HEAD("\201", "\200", answers, "\0", "\0") QUESTION(type)
#define NEGATIVE(rcode, type, answers, authorities)                                                \
	HEAD("\201", rcode, answers, authorities, "\0") QUESTION(type)

#define WWW                           "\300\014" /* pointers into the question */
#define EXAMPLE                       "\300\020"
#define TTL_300                       "\0\0\001\054"
#define TTL_100                       "\0\0\0\144"
#define RECORD(owner, type, ttl, len) owner "\0" type "\0\001" ttl "\0" len

#define T_A     "\001"
#define T_NS    "\002"
#define T_CNAME "\005"
#define T_SOA   "\006"
#define T_PTR   "\014"
#define T_MX    "\017"
#define T_TXT   "\020"
#define T_AAAA  "\034"
#define T_OPT   "\051"

#define NXDOMAIN "\203"
#define NOERROR  "\200"

#define A_1 RECORD(WWW, T_A, TTL_300, "\004") "\300\0\002\001"
#define A_2 RECORD(WWW, T_A, TTL_100, "\004") "\300\0\002\002"
/* minimum 60; 24 bytes with both names at the root */
#define SOA(owner, ttl)                                                                            \
	RECORD(owner, T_SOA, ttl, "\026")                                                          \
	"\0\0\0\0\0\001\0\0\0\002\0\0\0\003\0\0\0\004\0\0\0\074"

static const char wire_name[] = NAME;

static const struct {
	const char *name;
	enum fact_kind kind;
	struct span packet;
	enum fact_state state;
	enum fact_cause cause;
	const char *items; /* with | between them */
	uint32_t ttl_s;
	bool exists;
} cases[] = {
	/* honest */
	{ "one address", FACT_DNS_A, SPAN_INIT(REPLY(T_A, "\001") A_1), FACT_KNOWN, 0, "192.0.2.1",
	  300, false },
	{ "sorted, least TTL", FACT_DNS_A, SPAN_INIT(REPLY(T_A, "\002") A_2 A_1), FACT_KNOWN, 0,
	  "192.0.2.1|192.0.2.2", 100, false },
	{ "IPv6", FACT_DNS_AAAA,
	  SPAN_INIT(REPLY(T_AAAA, "\001")
			    RECORD(WWW, T_AAAA, TTL_300,
				   "\020") "\040\001\015\270\0\0\0\0\0\0\0\0\0\0\0\001"),
	  FACT_KNOWN, 0, "2001:db8::1", 300, false },
	{ "mail servers by preference", FACT_DNS_MX,
	  SPAN_INIT(REPLY(T_MX, "\002") RECORD(WWW, T_MX, TTL_300, "\007") "\0\012\002MX" EXAMPLE
			    RECORD(WWW, T_MX, TTL_300, "\006") "\0\011\001b" EXAMPLE),
	  FACT_KNOWN, 0, "9 b.example|10 mx.example", 300, false },
	{ "null MX", FACT_DNS_MX,
	  SPAN_INIT(REPLY(T_MX, "\001") RECORD(WWW, T_MX, TTL_300, "\003") "\0\0\0"), FACT_KNOWN, 0,
	  "0 .", 300, false },
	{ "strings joined and escaped", FACT_DNS_TXT,
	  SPAN_INIT(REPLY(T_TXT, "\001")
			    RECORD(WWW, T_TXT, TTL_300, "\011") "\003a b\004\\\001\377\042"),
	  FACT_KNOWN, 0, "a b\\\\\\001\\255\"", 300, false },
	{ "an empty string", FACT_DNS_TXT,
	  SPAN_INIT(REPLY(T_TXT, "\001") RECORD(WWW, T_TXT, TTL_300, "\001") "\0"), FACT_KNOWN, 0,
	  "", 300, false },
	{ "a name with odd bytes", FACT_DNS_PTR,
	  SPAN_INIT(REPLY(T_PTR, "\001")
			    RECORD(WWW, T_PTR, TTL_300, "\010") "\005a.\\\001Z" EXAMPLE),
	  FACT_KNOWN, 0, "a\\046\\\\\\001z.example", 300, false },
	{ "start of authority", FACT_DNS_SOA, SPAN_INIT(REPLY(T_SOA, "\001") SOA(WWW, TTL_300)),
	  FACT_KNOWN, 0, ". . 1 2 3 4 60", 300, false },
	{ "the question in capitals", FACT_DNS_A,
	  SPAN_INIT(
		  HEAD("\201", "\200", "\001", "\0", "\0") "\003WwW\007EXAMPLE\0\0\001\0\001" A_1),
	  FACT_KNOWN, 0, "192.0.2.1", 300, false },
	{ "an alias", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\002") RECORD(WWW, T_CNAME, TTL_100, "\004") "\001x" EXAMPLE RECORD(
		  "\001X" EXAMPLE, T_A, TTL_300, "\004") "\300\0\002\003"),
	  FACT_KNOWN, 0, "192.0.2.3", 100, false },
	{ "an alias behind its target", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\002")
			    RECORD("\001x" EXAMPLE, T_A, TTL_300, "\004") "\300\0\002\003" RECORD(
				    WWW, T_CNAME, TTL_100, "\004") "\001x" EXAMPLE),
	  FACT_KNOWN, 0, "192.0.2.3", 100, false },
	{ "records of strangers", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\002") RECORD(EXAMPLE, T_A, TTL_300, "\004") "\300\0\002\011" A_1),
	  FACT_KNOWN, 0, "192.0.2.1", 300, false },
	{ "another class", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\002") WWW "\0\001\0\003" TTL_300 "\0\004\001\002\003\004" A_1),
	  FACT_KNOWN, 0, "192.0.2.1", 300, false },
	{ "127.255.255.254 is data here", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_A, TTL_300, "\004") "\177\377\377\376"),
	  FACT_KNOWN, 0, "127.255.255.254", 300, false },
	{ "TTL 0", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_A, "\0\0\0\0", "\004") "\300\0\002\001"),
	  FACT_KNOWN, 0, "192.0.2.1", 0, false },
	{ "TTL maximal", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001")
			    RECORD(WWW, T_A, "\177\377\377\377", "\004") "\300\0\002\001"),
	  FACT_KNOWN, 0, "192.0.2.1", INT32_MAX, false },
	{ "TTL with its top bit counts as 0", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_A, "\200\0\0\0", "\004") "\300\0\002\001"),
	  FACT_KNOWN, 0, "192.0.2.1", 0, false },
	{ "one bad record of two", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\002") RECORD(WWW, T_A, TTL_100, "\003") "\300\0\002" A_1),
	  FACT_KNOWN, 0, "192.0.2.1", 300, false },
	{ "bytes behind the last record", FACT_DNS_A, SPAN_INIT(REPLY(T_A, "\001") A_1 "\0\0"),
	  FACT_KNOWN, 0, "192.0.2.1", 300, false },
	{ "EDNS", FACT_DNS_A,
	  SPAN_INIT(HEAD("\201", "\200", "\001", "\0", "\001") QUESTION(T_A) A_1
		    "\0\0" T_OPT "\020\0\0\0\0\0\0\0"),
	  FACT_KNOWN, 0, "192.0.2.1", 300, false },

	/* nothing, for sure */
	{ "no such name", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\0", "\001") SOA(EXAMPLE, TTL_300)), FACT_NONE, 0, "",
	  60, false },
	{ "no such record", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NOERROR, T_A, "\0", "\001") SOA(WWW, TTL_300)), FACT_NONE, 0, "", 60,
	  true },
	{ "the SOA's own TTL is less", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\0", "\001") SOA("\0", "\0\0\0\005")), FACT_NONE, 0,
	  "", 5, false },
	{ "a stranger's SOA", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\0", "\001") SOA("\003org\0", TTL_300)), FACT_NONE, 0,
	  "", 0, false },
	{ "an alias to a name without addresses, without SOA", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_CNAME, TTL_100, "\004") "\001x" EXAMPLE),
	  FACT_NONE, 0, "", 0, true },
	{ "no such name, without SOA", FACT_DNS_A, SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\0", "\0")),
	  FACT_NONE, 0, "", 0, false },
	{ "no such record, without SOA", FACT_DNS_A, SPAN_INIT(NEGATIVE(NOERROR, T_A, "\0", "\0")),
	  FACT_NONE, 0, "", 0, true },
	{ "an alias to no such name", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\001", "\001")
			    RECORD(WWW, T_CNAME, TTL_100, "\004") "\001x" EXAMPLE SOA(EXAMPLE,
										      TTL_300)),
	  FACT_NONE, 0, "", 60, false },

	/* the server fails */
	{ "SERVFAIL", FACT_DNS_A, SPAN_INIT(NEGATIVE("\202", T_A, "\0", "\0")), FACT_FAILED,
	  CAUSE_SERVFAIL, "", 0, false },
	{ "REFUSED", FACT_DNS_A, SPAN_INIT(NEGATIVE("\205", T_A, "\0", "\0")), FACT_FAILED,
	  CAUSE_REFUSED, "", 0, false },
	{ "REFUSED without question", FACT_DNS_A, SPAN_INIT("\022\064\201\205\0\0\0\0\0\0\0\0"),
	  FACT_FAILED, CAUSE_REFUSED, "", 0, false },
	{ "FORMERR", FACT_DNS_A, SPAN_INIT(NEGATIVE("\201", T_A, "\0", "\0")), FACT_FAILED,
	  CAUSE_SERVFAIL, "", 0, false },
	{ "NOTIMP", FACT_DNS_A, SPAN_INIT(NEGATIVE("\204", T_A, "\0", "\0")), FACT_FAILED,
	  CAUSE_SERVFAIL, "", 0, false },
	{ "YXDOMAIN", FACT_DNS_A, SPAN_INIT(NEGATIVE("\206", T_A, "\0", "\0")), FACT_FAILED,
	  CAUSE_SERVFAIL, "", 0, false },
	{ "BADVERS", FACT_DNS_A,
	  SPAN_INIT(HEAD("\201", "\200", "\0", "\0", "\001") QUESTION(T_A) "\0\0" T_OPT
									   "\020\0\001\0\0\0\0\0"),
	  FACT_FAILED, CAUSE_SERVFAIL, "", 0, false },
	{ "a referral", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NOERROR, T_A, "\0", "\001")
			    RECORD(WWW, T_NS, TTL_300, "\005") "\002ns" WWW),
	  FACT_FAILED, CAUSE_SERVFAIL, "", 0, false },
	{ "an alias that nobody followed", FACT_DNS_A,
	  SPAN_INIT(HEAD("\201", "\0", "\001", "\0", "\0") QUESTION(T_A)
			    RECORD(WWW, T_CNAME, TTL_100, "\004") "\001x" EXAMPLE),
	  FACT_FAILED, CAUSE_SERVFAIL, "", 0, false },
	{ "truncated", FACT_DNS_A,
	  SPAN_INIT(HEAD("\203", "\200", "\001", "\0", "\0") QUESTION(T_A) A_1), FACT_FAILED,
	  CAUSE_TOOLARGE, "", 0, false },

	/* no answer to our question */
	{ "no packet", FACT_DNS_A, SPAN_INIT(""), FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "five bytes", FACT_DNS_A, SPAN_INIT("\022\064\201\200\0"), FACT_FAILED, CAUSE_MALFORMED,
	  "", 0, false },
	{ "a header", FACT_DNS_A, SPAN_INIT("\022\064\201\200\0\0\0\0\0\0\0\0"), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "a header that promises", FACT_DNS_A, SPAN_INIT("\022\064\201\200\0\001\0\001\0\0\0\0"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "NXDOMAIN without question", FACT_DNS_A, SPAN_INIT("\022\064\201\203\0\0\0\0\0\0\0\0"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "another id", FACT_DNS_A,
	  SPAN_INIT("\022\065\201\200\0\001\0\001\0\0\0\0" QUESTION(T_A) A_1), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "a question", FACT_DNS_A,
	  SPAN_INIT(HEAD("\001", "\0", "\001", "\0", "\0") QUESTION(T_A) A_1), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "a notification", FACT_DNS_A,
	  SPAN_INIT(HEAD("\241", "\200", "\001", "\0", "\0") QUESTION(T_A) A_1), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "another name", FACT_DNS_A,
	  SPAN_INIT(
		  HEAD("\201", "\200", "\001", "\0", "\0") "\003wwx\007example\0\0\001\0\001" A_1),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "another type", FACT_DNS_MX, SPAN_INIT(REPLY(T_A, "\001") A_1), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "another class asked", FACT_DNS_A,
	  SPAN_INIT(HEAD("\201", "\200", "\001", "\0", "\0") NAME "\0\001\0\003" A_1), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "two questions", FACT_DNS_A,
	  SPAN_INIT("\022\064\201\200\0\002\0\0\0\0\0\0" QUESTION(T_A) QUESTION(T_A)), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "a question cut short", FACT_DNS_A,
	  SPAN_INIT(HEAD("\201", "\200", "\0", "\0", "\0") NAME "\0\001\0"), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },

	/* broken records */
	{ "an address of 3 bytes", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_A, TTL_300, "\003") "\300\0\002"), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "an address of 5 bytes", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_A, TTL_300, "\005") "\300\0\002\001\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "IPv6 of 4 bytes", FACT_DNS_AAAA,
	  SPAN_INIT(REPLY(T_AAAA, "\001") RECORD(WWW, T_AAAA, TTL_300, "\004") "\300\0\002\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "MX of 2 bytes", FACT_DNS_MX,
	  SPAN_INIT(REPLY(T_MX, "\001") RECORD(WWW, T_MX, TTL_300, "\002") "\0\012"), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "MX whose name runs past its record", FACT_DNS_MX,
	  SPAN_INIT(REPLY(T_MX, "\001") RECORD(WWW, T_MX, TTL_300, "\004") "\0\012\002mx" EXAMPLE),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "MX with bytes behind its name", FACT_DNS_MX,
	  SPAN_INIT(REPLY(T_MX, "\001") RECORD(WWW, T_MX, TTL_300, "\005") "\0\012" EXAMPLE "\0"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a string longer than its record", FACT_DNS_TXT,
	  SPAN_INIT(REPLY(T_TXT, "\001") RECORD(WWW, T_TXT, TTL_300, "\004") "\004abc"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "TXT without a string", FACT_DNS_TXT,
	  SPAN_INIT(REPLY(T_TXT, "\001") RECORD(WWW, T_TXT, TTL_300, "\0")), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "SOA cut short", FACT_DNS_SOA,
	  SPAN_INIT(REPLY(T_SOA, "\001") RECORD(WWW, T_SOA, TTL_300, "\006") "\0\0\0\0\0\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a pointer at itself", FACT_DNS_PTR,
	  SPAN_INIT(REPLY(T_PTR, "\001") RECORD(WWW, T_PTR, TTL_300, "\002") "\300\051"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a pointer forward", FACT_DNS_PTR,
	  SPAN_INIT(REPLY(T_PTR, "\001") RECORD(WWW, T_PTR, TTL_300, "\005") "\300\053\001a\0"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a pointer into the header", FACT_DNS_PTR,
	  SPAN_INIT(REPLY(T_PTR, "\001") RECORD(WWW, T_PTR, TTL_300, "\002") "\300\004"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a label of type 01", FACT_DNS_PTR,
	  SPAN_INIT(REPLY(T_PTR, "\001") RECORD(WWW, T_PTR, TTL_300, "\003") "\101a\0"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "an owner that loops", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD("\300\035", T_A, TTL_300, "\004") "\300\0\002\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "an owner cut short", FACT_DNS_A, SPAN_INIT(REPLY(T_A, "\001") "\300"), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "fewer records than announced", FACT_DNS_A, SPAN_INIT(REPLY(T_A, "\002") A_1),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a record past the end", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_A, TTL_300, "\005") "\300\0\002\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "a record head cut short", FACT_DNS_A, SPAN_INIT(REPLY(T_A, "\001") WWW "\0\001\0\001\0"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "NXDOMAIN with data", FACT_DNS_A, SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\001", "\0") A_1),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "NXDOMAIN with a stranger's data", FACT_DNS_A,
	  SPAN_INIT(NEGATIVE(NXDOMAIN, T_A, "\001", "\0")
			    RECORD(EXAMPLE, T_A, TTL_300, "\004") "\300\0\002\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "only a stranger's data", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(EXAMPLE, T_A, TTL_300, "\004") "\300\0\002\001"),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "an alias to itself", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_CNAME, TTL_300, "\002") WWW), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
	{ "two aliases in a circle", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\002") RECORD(WWW, T_CNAME, TTL_300, "\002")
			    EXAMPLE RECORD(EXAMPLE, T_CNAME, TTL_300, "\002") WWW),
	  FACT_FAILED, CAUSE_MALFORMED, "", 0, false },
	{ "an alias without a name", FACT_DNS_A,
	  SPAN_INIT(REPLY(T_A, "\001") RECORD(WWW, T_CNAME, TTL_300, "\001") "\005"), FACT_FAILED,
	  CAUSE_MALFORMED, "", 0, false },
};

static struct dns_answer answer;

static void parse(const uint8_t *packet, size_t len, enum fact_kind kind)
{
	struct dns_asked asked = {
		.name = (const uint8_t *)wire_name,
		.name_len = sizeof(wire_name) - 1,
		.kind = kind,
		.id = 0x1234,
	};

	dns_answer_parse(packet, len, &asked, &answer);
}

/* From memory of exactly its size, so that a sanitizer sees one byte beyond. */
static void parse_exactly(struct span packet, enum fact_kind kind)
{
	uint8_t *copy = malloc(packet.len);

	assert_true(copy != NULL || packet.len == 0);
	if (packet.len > 0)
		memcpy(copy, packet.at, packet.len);
	parse(copy, packet.len, kind);
	free(copy);
}

static void test_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span rest = span_cstr(cases[i].items), item = SPAN("");
		uint16_t count = 0;

		parse_exactly(cases[i].packet, cases[i].kind);
		if (answer.state != cases[i].state || answer.cause != cases[i].cause ||
		    answer.ttl_s != cases[i].ttl_s || answer.exists != cases[i].exists)
			fail_msg("%s: state %d cause %d ttl %u exists %d", cases[i].name,
				 answer.state, answer.cause, answer.ttl_s, answer.exists);
		for (; count < answer.item_count; count++) {
			if (!span_cut(&rest, '|', &item))
				item = SPAN("");
			check_span(answer.item[count], item, cases[i].name);
		}
		check_span(rest, SPAN(""), cases[i].name);
		assert_int_equal(count > 0, cases[i].state == FACT_KNOWN);
	}
}

/* Every packet above, cut at every length, is no proof of anything. */
static void test_cut_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t len = 0; len < cases[i].packet.len; len++) {
			parse_exactly(span_first(cases[i].packet, len), cases[i].kind);
			if (cases[i].state != FACT_FAILED && len < cases[i].packet.len - 2)
				assert_int_equal(answer.state, FACT_FAILED);
		}
	}
}

/* A packet in the making. */
static uint8_t built[65535];
static size_t built_len;

static void build(struct span bytes)
{
	assert_true(built_len + bytes.len <= sizeof(built));
	memcpy(built + built_len, bytes.at, bytes.len);
	built_len += bytes.len;
}

static void build_16(size_t number)
{
	char bytes[2] = { (char)(number >> 8), (char)number };

	build(span_of(bytes, 2));
}

static void build_head(const char *type, size_t answers)
{
	built_len = 0;
	build(SPAN("\022\064\201\200\0\001"));
	build_16(answers);
	build(SPAN("\0\0\0\0" NAME "\0"));
	build(span_of(type, 1));
	build(SPAN("\0\001"));
}

static void check_limit(enum fact_kind kind, bool is_within, const char *name)
{
	parse(built, built_len, kind);
	if (answer.state != (is_within ? FACT_KNOWN : FACT_FAILED) ||
	    answer.cause != (is_within ? CAUSE_NONE : CAUSE_TOOLARGE))
		fail_msg("%s: state %d cause %d", name, answer.state, answer.cause);
}

static void test_limit_of_items(void **state)
{
	(void)state;
	for (size_t count = FACT_ITEMS_MAX; count <= FACT_ITEMS_MAX + 1; count++) {
		build_head(T_A, count);
		for (size_t i = 0; i < count; i++) {
			build(SPAN(RECORD(WWW, T_A, TTL_300, "\004") "\012\0"));
			build_16(i);
		}
		check_limit(FACT_DNS_A, count == FACT_ITEMS_MAX, "addresses");
		build_head(T_MX, count);
		for (size_t i = 0; i < count; i++) {
			build(SPAN(RECORD(WWW, T_MX, TTL_300, "\006")));
			build_16(i);
			build(SPAN("\001m" EXAMPLE));
		}
		check_limit(FACT_DNS_MX, count == FACT_ITEMS_MAX, "mail servers");
	}
}

static void test_limit_of_txt_records(void **state)
{
	(void)state;
	for (size_t count = DNS_TXT_RECORDS_MAX; count <= DNS_TXT_RECORDS_MAX + 1; count++) {
		build_head(T_TXT, count);
		for (size_t i = 0; i < count; i++)
			build(SPAN(RECORD(WWW, T_TXT, TTL_300, "\002") "\001a"));
		check_limit(FACT_DNS_TXT, count == DNS_TXT_RECORDS_MAX, "texts");
	}
}

/* 4 bytes an odd byte in presentation form, so one record can reach the limit. */
static void build_odd_txt(size_t bytes)
{
	build_head(T_TXT, 1);
	build(SPAN(WWW "\0" T_TXT "\0\001" TTL_300));
	build_16(bytes + (bytes + 254) / 255);
	while (bytes > 0) {
		size_t len = bytes < 255 ? bytes : 255;
		char length = (char)len;

		build(span_of(&length, 1));
		for (size_t i = 0; i < len; i++)
			build(SPAN("\001"));
		bytes -= len;
	}
}

static void test_limit_of_txt_bytes(void **state)
{
	(void)state;
	build_odd_txt(DNS_TXT_BYTES_MAX / 4);
	check_limit(FACT_DNS_TXT, true, "bytes of text at the limit");
	assert_int_equal(answer.item[0].len, DNS_TXT_BYTES_MAX);
	build_odd_txt(DNS_TXT_BYTES_MAX / 4 + 1);
	check_limit(FACT_DNS_TXT, false, "bytes of text beyond");
}

/* Many pointers to one long name: a small packet must not become a large answer. */
static void test_limit_of_item_bytes(void **state)
{
	(void)state;
	build_head(T_PTR, FACT_ITEMS_MAX);
	for (size_t i = 0; i < FACT_ITEMS_MAX; i++) {
		build(SPAN(WWW "\0" T_PTR "\0\001" TTL_300));
		if (i > 0) {
			build(SPAN("\0\002\300\051")); /* the name of the first */
			continue;
		}
		build_16(4 * 60 + 1);
		for (int label = 0; label < 4; label++) {
			build(SPAN("\073"));
			for (int byte = 0; byte < 59; byte++)
				build(SPAN("\001"));
		}
		build(SPAN("\0"));
	}
	check_limit(FACT_DNS_PTR, false, "bytes of items");
}

static void build_aliases(size_t count)
{
	build_head(T_A, count + 1);
	for (size_t i = 0; i <= count; i++) {
		char owner[] = { 1, (char)('a' + i - 1) }, target[] = { 1, (char)('a' + i) };

		if (i > 0)
			build(span_of(owner, 2));
		build(i > 0 ? SPAN(EXAMPLE) : SPAN(WWW));
		if (i == count) {
			build(SPAN("\0\001\0\001" TTL_300 "\0\004\300\0\002\001"));
			break;
		}
		build(SPAN("\0\005\0\001" TTL_300 "\0\004"));
		build(span_of(target, 2));
		build(SPAN(EXAMPLE));
	}
}

static void test_limit_of_aliases(void **state)
{
	(void)state;
	build_aliases(DNS_ALIASES_MAX);
	check_limit(FACT_DNS_A, true, "aliases at the limit");
	build_aliases(DNS_ALIASES_MAX + 1);
	check_limit(FACT_DNS_A, false, "one alias beyond");
}

/* The owner of the address is so many pointers away from its name. */
static void build_pointers(size_t count)
{
	enum { FIRST = 41, IN_PACKET = 0xc000 };

	build_head(T_A, 2);
	build(SPAN(WWW "\0" T_TXT "\0\001" TTL_300));
	build_16(2 * (count - 1));
	build(SPAN(WWW));
	for (size_t i = 2; i < count; i++)
		build_16(IN_PACKET + FIRST + 2 * (i - 2));
	build_16(IN_PACKET + FIRST + 2 * (count - 2));
	build(SPAN("\0\001\0\001" TTL_300 "\0\004\300\0\002\001"));
}

static void test_limit_of_pointers(void **state)
{
	(void)state;
	build_pointers(DNS_POINTERS_MAX);
	check_limit(FACT_DNS_A, true, "pointers at the limit");
	build_pointers(DNS_POINTERS_MAX + 1);
	parse(built, built_len, FACT_DNS_A);
	assert_int_equal(answer.state, FACT_FAILED);
	assert_int_equal(answer.cause, CAUSE_MALFORMED);
}

static void build_long_name(size_t last_label)
{
	static const char letters[64] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	char length;

	build_head(T_PTR, 1);
	build(SPAN(WWW "\0" T_PTR "\0\001" TTL_300));
	build_16(3 * 64 + 1 + last_label + 1);
	for (int label = 0; label < 4; label++) {
		length = label < 3 ? 63 : (char)last_label;
		build(span_of(&length, 1));
		build(span_of(letters, (size_t)length));
	}
	build(SPAN("\0"));
}

static void test_limit_of_name(void **state)
{
	(void)state;
	build_long_name(61);
	parse(built, built_len, FACT_DNS_PTR);
	assert_int_equal(answer.state, FACT_KNOWN);
	assert_int_equal(answer.item[0].len, 253);
	build_long_name(62);
	parse(built, built_len, FACT_DNS_PTR);
	assert_int_equal(answer.cause, CAUSE_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_cut_packets),
		cmocka_unit_test(test_limit_of_items),
		cmocka_unit_test(test_limit_of_txt_records),
		cmocka_unit_test(test_limit_of_txt_bytes),
		cmocka_unit_test(test_limit_of_item_bytes),
		cmocka_unit_test(test_limit_of_aliases),
		cmocka_unit_test(test_limit_of_pointers),
		cmocka_unit_test(test_limit_of_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
