/* replay_diff.c -- weighctl replay --diff: what changed, grouped by what caused it. */
#include "base/text.h"
#include "ctl/replay.h"

#include <math.h>
#include <stdlib.h>

enum { CAUSE_BYTES_MAX = 1024 };

/* The points of a name in a list; 0 where it is not in it. */
static double points_of(const struct weight *weight, size_t count, struct span name)
{
	double points = 0;

	for (size_t i = 0; i < count; i++)
		if (span_equal(weight[i].name, name))
			points += weight[i].points;
	return points;
}

struct change {
	struct span name;
	double points;
};

static void change_offer(struct change *change, struct span name, double points)
{
	if (fabs(points) > fabs(change->points) + 1e-9)
		*change = (struct change){ name, points };
}

/* The name whose points changed most. */
static struct change largest_change(const struct replayed *replayed)
{
	const struct case_expected *was = &replayed->line->expected;
	struct change change = { 0 };
	struct weight now[CASE_POINTS_MAX];
	size_t count = walk_points(replayed->walk, now, CASE_POINTS_MAX);

	for (uint16_t i = 0; i < was->point_count; i++)
		change_offer(&change, was->point[i].name,
			     points_of(now, count, was->point[i].name) -
				     points_of(was->point, was->point_count, was->point[i].name));
	for (size_t i = 0; i < count; i++)
		change_offer(&change, now[i].name,
			     points_of(now, count, now[i].name) -
				     points_of(was->point, was->point_count, now[i].name));
	return change;
}

/* The first name that is unknown now and was not when it was recorded. */
static bool new_unknown(const struct replayed *replayed, struct span *name_out)
{
	const struct case_expected *was = &replayed->line->expected;
	struct span now[CASE_UNKNOWN_MAX];
	size_t count = was->has_unknown ? case_unknown(replayed->walk, now) : 0;

	for (size_t i = 0; i < count; i++) {
		uint16_t n = 0;

		while (n < was->unknown_count && !span_equal(was->unknown[n], now[i]))
			n++;
		if (n == was->unknown_count) {
			*name_out = now[i];
			return true;
		}
	}
	return false;
}

static void cause_add(struct text *cause, const struct replayed *replayed)
{
	const struct walk *walk = replayed->walk;
	struct change change = { 0 };
	struct span unknown;

	if (replayed->line->expected.has_points)
		change = largest_change(replayed);
	if (change.name.len > 0) {
		text_add(cause, span_first(change.name, CAUSE_BYTES_MAX / 2));
		text_add(cause, change.points > 0 ? SPAN(" +") : SPAN(" "));
		text_addf(cause, "%.4g", change.points);
	} else if (new_unknown(replayed, &unknown)) {
		text_add(cause, SPAN("unknown: "));
		text_add(cause, span_first(unknown, CAUSE_BYTES_MAX / 2));
	} else if (walk->by != NULL) {
		text_add(cause, span_first(walk->by->origin.file, CAUSE_BYTES_MAX / 2));
		text_addf(cause, ":%u", walk->by->origin.line);
	} else {
		text_add(cause, SPAN("the end of the policy"));
	}
}

static struct span keep(struct span s)
{
	char *copy = malloc(s.len + 1);

	if (copy != NULL && s.len > 0)
		memcpy(copy, s.at, s.len);
	return span_of(copy, copy == NULL ? 0 : s.len);
}

static void diff_count(struct diff *diff, struct span was, enum verdict_kind now, struct span cause)
{
	struct diff_group *group = diff->group;
	struct diff_group *end = diff->group + diff->group_count;

	while (group < end && !(group->now == now && span_equal(group->was, was) &&
				span_equal(group->cause, cause)))
		group++;
	if (group == end && diff->group_count == DIFF_GROUPS_MAX) {
		diff->ungrouped++;
		return;
	}
	if (group == end) {
		*group = (struct diff_group){ now, keep(was), keep(cause), 0 };
		diff->group_count++;
	}
	group->count++;
}

static void emit_recorded(struct emit *emit, const struct case_expected *was, struct span cause)
{
	emit_begin(emit, '{');
	emit_key(emit, SPAN("recorded"));
	emit_begin(emit, '{');
	if (was->has_score) {
		emit_key(emit, SPAN("score"));
		if (was->score_is_null)
			emit_null(emit);
		else
			emit_double(emit, was->score);
	}
	emit_key(emit, SPAN("verdict"));
	emit_text(emit, was->verdict);
	if (was->reply.at != NULL) {
		emit_key(emit, SPAN("reply"));
		emit_text(emit, was->reply);
	}
	emit_end(emit, '}');
	emit_key(emit, SPAN("cause"));
	emit_text(emit, cause);
	emit_end(emit, '}');
}

bool diff_compare(struct diff *diff, const struct replayed *replayed, struct emit *emit)
{
	const struct case_expected *was = &replayed->line->expected;
	enum verdict_kind now = replayed->walk->verdict;
	TEXT(cause, CAUSE_BYTES_MAX);

	if (was->verdict.at == NULL)
		return false;
	diff->compared++;
	if (span_equal(was->verdict, verdict_name(now)))
		return false;
	diff->different++;
	cause_add(&cause, replayed);
	diff_count(diff, was->verdict, now, text_span(&cause));
	emit_clear(emit);
	emit_recorded(emit, was, text_span(&cause));
	return true;
}

static int compare_groups(const void *a, const void *b)
{
	uint64_t left = ((const struct diff_group *)a)->count;
	uint64_t right = ((const struct diff_group *)b)->count;

	return left < right ? 1 : left > right ? -1 : 0;
}

void diff_emit(struct diff *diff, struct emit *emit)
{
	qsort(diff->group, diff->group_count, sizeof(*diff->group), compare_groups);
	emit_key(emit, SPAN("equal"));
	emit_int(emit, (int64_t)(diff->compared - diff->different));
	emit_key(emit, SPAN("different"));
	emit_int(emit, (int64_t)diff->different);
	emit_key(emit, SPAN("groups"));
	emit_begin(emit, '[');
	for (size_t i = 0; i < diff->group_count; i++) {
		emit_begin(emit, '{');
		emit_key(emit, SPAN("recorded"));
		emit_text(emit, diff->group[i].was);
		emit_key(emit, SPAN("verdict"));
		emit_text(emit, verdict_name(diff->group[i].now));
		emit_key(emit, SPAN("cause"));
		emit_text(emit, diff->group[i].cause);
		emit_key(emit, SPAN("count"));
		emit_int(emit, (int64_t)diff->group[i].count);
		emit_end(emit, '}');
	}
	emit_end(emit, ']');
}

void diff_print(struct diff *diff, FILE *file)
{
	qsort(diff->group, diff->group_count, sizeof(*diff->group), compare_groups);
	fprintf(file, "verdicts equal %llu, different %llu\n",
		(unsigned long long)(diff->compared - diff->different),
		(unsigned long long)diff->different);
	for (size_t i = 0; i < diff->group_count; i++) {
		const struct diff_group *group = &diff->group[i];

		fprintf(file, "%6llu  ", (unsigned long long)group->count);
		ctl_print(file, group->was);
		fprintf(file, " -> %.*s  cause: ", SPAN_ARG(verdict_name(group->now)));
		ctl_print(file, group->cause);
		fputc('\n', file);
	}
	if (diff->ungrouped > 0)
		fprintf(file, "%6llu  of other causes\n", (unsigned long long)diff->ungrouped);
}

void diff_release(struct diff *diff)
{
	for (size_t i = 0; i < diff->group_count; i++) {
		free((char *)diff->group[i].was.at);
		free((char *)diff->group[i].cause.at);
	}
	*diff = (struct diff){ 0 };
}
