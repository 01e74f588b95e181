/* replay_expect.c -- weighctl replay --expect: is the decision what the case says? */
#include "base/text.h"
#include "ctl/replay.h"
#include "weigh/answer.h"

#include <math.h>

enum { SHOWN_BYTES_MAX = 4096 };

/* FILE:LINE: ID: MEMBER: want WANT, got GOT */
static void say_different(const struct replayed *replayed, const char *member, struct span want,
			  struct span got)
{
	fprintf(stderr, "%s:%llu: ", replayed->place.path,
		(unsigned long long)replayed->place.line);
	ctl_print(stderr, replayed->id);
	fprintf(stderr, ": %s: want ", member);
	ctl_print(stderr, want);
	fputs(", got ", stderr);
	ctl_print(stderr, got);
	fputc('\n', stderr);
}

/* A list for a message: what does not fit is left out. */
static void list_add(struct text *list, struct span name)
{
	if (list->len > 0)
		text_add(list, SPAN(" "));
	text_add(list, name);
}

static struct span list_span(const struct text *list)
{
	return list->len > 0 ? text_span(list) : SPAN("nothing");
}

/* A hair's breadth of binary fractions does not count. */
static bool same_to_two_decimals(double a, double b)
{
	return fabs(a - b) < 0.005 + 1e-9;
}

static void score_add(struct text *text, bool is_null, double score)
{
	if (is_null)
		text_add(text, SPAN("null"));
	else
		text_add_double(text, score);
}

static unsigned compare_score(const struct replayed *replayed)
{
	const struct case_expected *expected = &replayed->line->expected;
	bool is_null = !replayed->walk->is_scored;
	double score = replayed->walk->score;
	TEXT(want, 40);
	TEXT(got, 40);

	if (!expected->has_score || (expected->score_is_null && is_null))
		return 0;
	if (!expected->score_is_null && !is_null && same_to_two_decimals(expected->score, score))
		return 0;
	score_add(&want, expected->score_is_null, expected->score);
	score_add(&got, is_null, score);
	say_different(replayed, "score", text_span(&want), text_span(&got));
	return 1;
}

static void points_add(struct text *text, const struct weight *weight, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		list_add(text, weight[i].name);
		text_add_char(text, '=');
		text_add_double(text, weight[i].points);
	}
}

static bool same_points(const struct weight *a, const struct weight *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!span_equal(a[i].name, b[i].name) ||
		    !same_to_two_decimals(a[i].points, b[i].points))
			return false;
	return true;
}

static unsigned compare_points(const struct replayed *replayed)
{
	const struct case_expected *expected = &replayed->line->expected;
	struct weight point[CASE_POINTS_MAX];
	size_t count = walk_points(replayed->walk, point, CASE_POINTS_MAX);
	TEXT(want, SHOWN_BYTES_MAX);
	TEXT(got, SHOWN_BYTES_MAX);

	if (!expected->has_points)
		return 0;
	if (count == expected->point_count && same_points(point, expected->point, count))
		return 0;
	points_add(&want, expected->point, expected->point_count);
	points_add(&got, point, count);
	say_different(replayed, "points", list_span(&want), list_span(&got));
	return 1;
}

struct names {
	const struct span *name;
	size_t count;
};

static bool names_cover(struct names all, struct names some)
{
	for (size_t i = 0; i < some.count; i++) {
		size_t n = 0;

		while (n < all.count && !span_equal(all.name[n], some.name[i]))
			n++;
		if (n == all.count)
			return false;
	}
	return true;
}

/* Without regard to order. */
static unsigned compare_names(const struct replayed *replayed, const char *member,
			      struct names wanted, struct names found)
{
	TEXT(want, SHOWN_BYTES_MAX);
	TEXT(got, SHOWN_BYTES_MAX);

	if (names_cover(wanted, found) && names_cover(found, wanted))
		return 0;
	for (size_t i = 0; i < wanted.count; i++)
		list_add(&want, wanted.name[i]);
	for (size_t i = 0; i < found.count; i++)
		list_add(&got, found.name[i]);
	say_different(replayed, member, list_span(&want), list_span(&got));
	return 1;
}

static unsigned compare_unknown(const struct replayed *replayed)
{
	const struct case_expected *expected = &replayed->line->expected;
	struct span name[CASE_UNKNOWN_MAX];
	size_t count = case_unknown(replayed->walk, name);

	if (!expected->has_unknown)
		return 0;
	return compare_names(replayed, "unknown",
			     (struct names){ expected->unknown, expected->unknown_count },
			     (struct names){ name, count });
}

/* "zen.exploited", in the arena of the attempt */
static struct span finding_name(const struct walk *walk, const struct statement *weigh, unsigned i)
{
	TEXT(name, SHOWN_BYTES_MAX);

	text_add(&name, weigh->name);
	text_add_char(&name, '.');
	text_add(&name, statement_finding_name(weigh, i));
	return arena_copy(walk->ledger->arena, text_span(&name));
}

static size_t list_findings(const struct walk *walk, struct span *name, size_t max)
{
	size_t count = 0;

	for (unsigned n = 0; n < walk->policy->weigh_count; n++) {
		const struct statement *weigh = walk->policy->weigh[n];
		unsigned findings = statement_finding_count(weigh);

		for (unsigned i = 0; i < findings && count < max; i++)
			if (case_found(walk, n, i))
				name[count++] = finding_name(walk, weigh, i);
	}
	return count;
}

static unsigned compare_findings(const struct replayed *replayed)
{
	const struct case_expected *expected = &replayed->line->expected;
	struct span wanted[CASE_NAMES_MAX];
	struct span found[CASE_POINTS_MAX];

	if (!expected->has_findings)
		return 0;
	for (uint16_t i = 0; i < expected->finding_count; i++)
		wanted[i] = expected->finding[i].name;
	return compare_names(replayed, "findings",
			     (struct names){ wanted, expected->finding_count },
			     (struct names){ found, list_findings(replayed->walk, found,
								  CASE_POINTS_MAX) });
}

static unsigned compare_text(const struct replayed *replayed, const char *member, struct span want,
			     struct span got)
{
	if (want.at == NULL || span_equal(want, got))
		return 0;
	say_different(replayed, member, want, got);
	return 1;
}

unsigned expect_compare(const struct replayed *replayed)
{
	const struct case_expected *expected = &replayed->line->expected;
	unsigned differences = compare_findings(replayed);
	TEXT(reply, ANSWER_MAX);

	differences += compare_points(replayed);
	differences += compare_score(replayed);
	differences += compare_unknown(replayed);
	differences += compare_text(replayed, "verdict", expected->verdict,
				    verdict_name(replayed->walk->verdict));
	answer_of_walk(replayed->walk, &reply);
	differences += compare_text(replayed, "reply", expected->reply, text_span(&reply));
	return differences;
}
