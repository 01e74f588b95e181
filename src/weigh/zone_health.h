/* zone_health.h -- can a DNS list be believed?
 *
 * Pure: tests that were asked, what was said, and a clock come in; whether the list is parked
 * comes out.  A parked list is not asked: its facts are FAILED, CAUSE_PARKED.
 *
 *	UNTESTED --all tests right--> WELL --refuses, lists all or nothing, hits most--> PARKED
 *	    PARKED --all tests right--> WELL
 *
 * Tests that nobody answers change nothing: silence is the breaker's business.
 * Source: RFC 5782 section 5, design requirements B1 to B4.
 */
#pragma once
#include "weigh/zone.h"

enum {
	ZONE_TESTS_MAX = 6, /* a listed and a clear entry of each family */
	ZONE_TEST_MS = 15 * 60 * 1000,
	ZONE_RETEST_MS_MIN = 30 * 1000, /* doubles up to ZONE_TEST_MS while it is bad */
	ZONE_VETO_CLIENTS = 200,
	ZONE_VETO_SLOTS =
		1024, /* two clients in one slot are both counted, as often as they come */
	ZONE_VETO_PERCENT = 90,
	ZONE_VETO_PAUSE_MS = 60 * 60 * 1000, /* after a veto that the tests did not confirm */
	BREAKER_FAILURES = 10,
	BREAKER_MS_MIN = 60 * 1000,
	BREAKER_MS_MAX = 15 * 60 * 1000,
};

/* --- tests --- */

struct zone_test {
	char key[FACT_KEY_MAX]; /* the question: 2.0.0.127.zen.example */
	uint16_t key_len;
	bool wants_listed;
	bool is_declared; /* the zone's statement names the entry: it must be listed */
};

/** The entries that tell whether the zone works, by what it lists.
 *
 * @return how many, at most ZONE_TESTS_MAX
 */
size_t zone_tests(const struct zone *zone, struct zone_test *test_out);

enum zone_said {
	ZONE_SAID_NOTHING, /* the fact failed */
	ZONE_SAID_CLEAR,
	ZONE_SAID_LISTED,
	ZONE_SAID_REFUSED,
	ZONE_SAID_ODD, /* an answer that it never declared */
};

/** What the answer to a question says.
 *
 * @param raw_out  the address that says it, in host order; 0 when there is none
 */
enum zone_said zone_hear(const struct zone *zone, const struct fact *fact, uint32_t *raw_out);

/** A zone that no statement describes: one meaning, "listed". */
void zone_undeclared(struct span name, struct zone *zone_out);

/* --- state --- */

enum zone_state { ZONE_UNTESTED, ZONE_WELL, ZONE_PARKED };

enum zone_trouble {
	TROUBLE_NONE,
	TROUBLE_REFUSES,
	TROUBLE_LISTS_ALL,
	TROUBLE_LISTS_NOTHING,
	TROUBLE_HITS_MOST,
	TROUBLE_DEAD, /* its statement says so: never asked, never tested */
};

struct zone_health {
	enum zone_state state;
	enum zone_trouble trouble;
	uint32_t raw;      /* the answer that shows the trouble, host order; 0: none */
	int64_t since_ms;  /* of state */
	int64_t tested_ms; /* 0: never */
	int64_t due_ms;    /* of the next test */
	int64_t retest_ms; /* the last wait while it was bad; 0: it has been well for long */
	int64_t veto_after_ms;
	uint8_t was_listed; /* bit n: test n once was, so it must stay */
	bool is_silent;     /* the last tests got no answer */
};

/** Untested, to be tested at once. */
void zone_health_init(struct zone_health *health, int64_t now_ms);

/** All tests of a round have ended.
 *
 * @param said, raw  of each test
 * @return true: state has changed
 */
bool zone_health_judge(struct zone_health *health, const struct zone_test *test,
		       const enum zone_said *said, const uint32_t *raw, int64_t now_ms);

/** Real questions have shown trouble: parked at once.
 *
 * @return true: state has changed
 */
bool zone_health_accuse(struct zone_health *health, enum zone_trouble trouble, uint32_t raw,
			int64_t now_ms);

/** Its statement says that it is dead. */
bool zone_health_bury(struct zone_health *health, int64_t now_ms);

struct span zone_state_name(enum zone_state state);
struct span zone_trouble_name(enum zone_trouble trouble);

/* --- veto: a list that hits nearly everybody --- */

struct zone_veto {
	uint32_t client[ZONE_VETO_SLOTS]; /* by its hash: whom it was about last, */
	uint32_t number[ZONE_VETO_SLOTS]; /* and the how manieth that was */
	bool is_hit[ZONE_VETO_CLIENTS];   /* of the last ones, by number */
	uint32_t count;                   /* of all distinct ones */
	uint16_t hits;
};

/** A client was asked about; one that is known already is not counted again.
 *
 * @return true: more than ZONE_VETO_PERCENT of the last ZONE_VETO_CLIENTS are listed
 */
bool zone_veto_add(struct zone_veto *veto, uint32_t client, bool is_hit);

/* --- breaker: one that does not answer is not waited for --- */

struct breaker {
	uint32_t failures; /* in a row */
	int64_t first_ms;  /* when the first of them came */
	int64_t until_ms;  /* 0: closed; nobody asks before, one probe may after */
	int64_t wait_ms;
};

/** @return true: it has just opened, or opened again after a probe */
bool breaker_fail(struct breaker *breaker, int64_t now_ms);

/** @return true: it was open */
bool breaker_work(struct breaker *breaker);
