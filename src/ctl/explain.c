/* explain.c -- a decision as people read it.
 *
 *	K7Q2-9F3D  2026-11-20 10:41:07  REJECT  score 5.85
 *	 client 198.51.100.23 (unknown)  helo DESKTOP-7K2  from <win@lottery.example>  to <...>
 *	 ├ +4.35  zen.exploited                             weighd.conf:22
 *	 │          dns.a 23.100.51.198.zen.spamhaus.org: 127.0.0.4  (12 ms, ttl 60 s)
 *	 ├      ?  spamcop: unknown                         weighd.conf:23
 *	 │          dns.a 23.100.51.198.bl.spamcop.net: timeout, no points either way  (2000 ms)
 *	 └ not asked: surbl (weighd.conf:25, decided before)
 *	 decided by weighd.conf:31
 *	 reply: 550 5.7.1 refused by policy, number K7Q2-9F3D
 */
#include "ctl/explain.h"

#include "ctl/ctl.h"

#include <jansson.h>

enum { NAME_COLUMNS = 44, ITEMS_SHOWN_MAX = 5, FINDING_BYTES_MAX = 512 };

static struct span member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? span_of(json_string_value(value), json_string_length(value))
				     : SPAN("");
}

static void print_member(FILE *file, const json_t *object, const char *name)
{
	ctl_print(file, member(object, name));
}

/* What has its own escapes, or is no stranger's: quotes and backslashes stay. */
static void print_line(FILE *file, const json_t *object, const char *name)
{
	ctl_print_line(file, member(object, name));
}

/* --- head --- */

static void print_verdict(FILE *file, const json_t *line, const json_t *explain)
{
	struct span verdict = member(line, "verdict");
	bool is_pass = span_equal(verdict, SPAN("pass"));

	for (size_t i = 0; i < verdict.len; i++)
		fputc(verdict.at[i] >= 'a' && verdict.at[i] <= 'z' ? verdict.at[i] - 'a' + 'A'
								   : '?',
		      file);
	if (span_equal(member(explain, "mode"), SPAN("observe")) && !is_pass)
		fputs(" (mode observe: passed)", file);
}

static void print_head(FILE *file, const json_t *line, const json_t *explain)
{
	const json_t *score = json_object_get(line, "score");
	struct span at = member(line, "at");
	json_int_t took_us = json_integer_value(json_object_get(line, "took_us"));

	print_member(file, line, "id");
	fputs("  ", file);
	ctl_print(file, span_first(at, 10)); /* 2026-11-20T10:41:07.123Z */
	fputc(' ', file);
	ctl_print(file, span_first(span_from(at, 11), 8));
	fputs("  ", file);
	print_verdict(file, line, explain);
	if (json_is_number(score))
		fprintf(file, "  score %.15g", json_number_value(score));
	else
		fputs("  not scored", file);
	fputs("  policy ", file);
	print_member(file, line, "policy");
	if (!span_equal(member(line, "config"), SPAN("0"))) {
		fputs(", configuration ", file);
		print_member(file, line, "config");
	}
	fprintf(file, ", %.1f ms%s\n", (double)took_us / 1000,
		json_is_true(json_object_get(explain, "overdue")) ? ", deadline passed" : "");
}

/* A value that is no UTF-8 stands in {"latin1": ...}. */
static struct span attribute(const json_t *attempt, const char *name)
{
	const json_t *value = json_object_get(attempt, name);

	return json_is_object(value) ? member(value, "latin1") : member(attempt, name);
}

static void print_attempt(FILE *file, const json_t *attempt)
{
	struct span login = attribute(attempt, "sasl_username");

	fputs(" client ", file);
	ctl_print(file, attribute(attempt, "client_address"));
	fputs(" (", file);
	ctl_print(file, attribute(attempt, "client_name"));
	fputs(")  helo ", file);
	ctl_print(file, attribute(attempt, "helo_name"));
	fputs("  from <", file);
	ctl_print(file, attribute(attempt, "sender"));
	fputs(">  to <", file);
	ctl_print(file, attribute(attempt, "recipient"));
	fputc('>', file);
	if (login.len > 0) {
		fputs("  login ", file);
		ctl_print(file, login);
	}
	fputc('\n', file);
}

/* --- facts --- */

static void print_items(FILE *file, const json_t *items)
{
	size_t count = json_array_size(items);

	for (size_t i = 0; i < count && i < ITEMS_SHOWN_MAX; i++) {
		const json_t *item = json_array_get(items, i);

		if (i > 0)
			fputs(", ", file);
		if (json_is_string(item))
			ctl_print_line(file,
				       span_of(json_string_value(item), json_string_length(item)));
	}
	if (count > ITEMS_SHOWN_MAX)
		fprintf(file, " and %zu more", count - ITEMS_SHOWN_MAX);
}

static void print_answer(FILE *file, const json_t *fact)
{
	const json_t *answer = json_object_get(fact, "answer");
	bool is_dns = span_starts(member(fact, "key"), SPAN("dns."));
	struct span state = member(fact, "state");

	if (span_equal(state, SPAN("pending")))
		fputs("not waited for", file);
	else if (span_equal(state, SPAN("failed")))
		print_member(file, fact, "answer");
	else if (json_array_size(answer) > 0)
		print_items(file, answer);
	else if (!is_dns)
		fputs("nothing", file);
	else
		fputs(json_is_array(answer) ? "no such record" : "NXDOMAIN", file);
	if (span_equal(state, SPAN("failed")))
		fputs(", no points either way", file);
}

static void print_times(FILE *file, const json_t *fact)
{
	json_int_t took_us = json_integer_value(json_object_get(fact, "took_us"));
	json_int_t age_s = json_integer_value(json_object_get(fact, "age_s"));
	json_int_t ttl_s = json_integer_value(json_object_get(fact, "ttl_s"));
	const char *before = "  (";

	if (json_is_true(json_object_get(fact, "from_cache"))) {
		fprintf(file, "%sfrom the cache, %lld s old%s", before, (long long)age_s,
			age_s >= ttl_s ? ", stale: asking again failed" : "");
		before = ", ";
	}
	if (took_us > 0) {
		fprintf(file, "%s%.1f ms", before, (double)took_us / 1000);
		before = ", ";
	}
	if (ttl_s > 0) {
		fprintf(file, "%sttl %lld s", before, (long long)ttl_s);
		before = ", ";
	}
	if (before[0] == ',')
		fputc(')', file);
}

static bool was_asked_by(const json_t *fact, size_t weigh)
{
	const json_t *asked_by = json_object_get(fact, "asked_by");
	const json_t *ordinal;
	size_t i;

	json_array_foreach (asked_by, i, ordinal) {
		if (json_integer_value(ordinal) == (json_int_t)weigh)
			return true;
	}
	return false;
}

static void print_facts(FILE *file, const json_t *explain, size_t weigh)
{
	const json_t *facts = json_object_get(explain, "facts");
	const json_t *fact;
	size_t i;

	json_array_foreach (facts, i, fact) {
		if (!was_asked_by(fact, weigh))
			continue;
		fputs(" │          ", file);
		print_line(file, fact, "key");
		fputs(": ", file);
		print_answer(file, fact);
		print_times(file, fact);
		fputc('\n', file);
	}
}

/* --- weigh statements --- */

/* The name in its column, then the line of the configuration. */
static void print_named(FILE *file, struct span name, struct span joint, struct span finding,
			struct span line)
{
	size_t len = name.len + joint.len + finding.len;

	ctl_print(file, name);
	ctl_print(file, joint);
	ctl_print(file, finding);
	fprintf(file, "%*s  ", len < NAME_COLUMNS ? (int)(NAME_COLUMNS - len) : 0, "");
	ctl_print(file, line);
	fputc('\n', file);
}

static void print_finding(FILE *file, const json_t *weigh, const json_t *finding)
{
	double points = json_number_value(json_object_get(finding, "points"));
	json_int_t times = json_integer_value(json_object_get(finding, "times"));
	/* A check with a judgement of its own names its weights itself. */
	bool is_own = times == 0;
	TEXT(name, FINDING_BYTES_MAX);

	text_add(&name, span_first(member(finding, "name"), FINDING_BYTES_MAX / 2));
	if (times > 1)
		text_addf(&name, " x%lld", (long long)times);
	fprintf(file, points == 0 ? " ├ %6.0f  " : " ├ %+6.4g  ", points);
	print_named(file, is_own ? SPAN("") : member(weigh, "name"), is_own ? SPAN("") : SPAN("."),
		    text_span(&name), member(weigh, "line"));
}

static void print_findings(FILE *file, const json_t *weigh)
{
	const json_t *findings = json_object_get(weigh, "findings");
	const json_t *finding;
	size_t i;

	json_array_foreach (findings, i, finding) {
		print_finding(file, weigh, finding);
	}
	if (json_array_size(findings) == 0 && span_equal(member(weigh, "state"), SPAN("weighed"))) {
		fputs(" ├      0  ", file);
		print_named(file, member(weigh, "name"), SPAN(": "), SPAN("nothing found"),
			    member(weigh, "line"));
	}
}

static void print_unknown(FILE *file, const json_t *weigh)
{
	const json_t *unknown = json_object_get(weigh, "unknown");

	if (!span_equal(member(weigh, "state"), SPAN("unknown")))
		return;
	fputs(" ├      ?  ", file);
	print_named(file, member(weigh, "name"), SPAN(": "), SPAN("unknown"),
		    member(weigh, "line"));
	if (json_array_size(unknown) == 0)
		return;
	fputs(" │          could not be settled: ", file);
	print_items(file, unknown);
	fputc('\n', file);
}

static bool is_asked(const json_t *weigh)
{
	struct span state = member(weigh, "state");

	return span_equal(state, SPAN("weighed")) || span_equal(state, SPAN("unknown"));
}

static void print_not_asked(FILE *file, const json_t *weighs)
{
	const char *before = " ├ not asked: ";
	const json_t *weigh;
	size_t i;

	json_array_foreach (weighs, i, weigh) {
		struct span state = member(weigh, "state");

		if (is_asked(weigh))
			continue;
		fputs(before, file);
		before = ", ";
		print_member(file, weigh, "name");
		fputs(" (", file);
		print_member(file, weigh, "line");
		fputs(span_equal(state, SPAN("skipped")) ? ", its condition does not hold)"
							 : ", decided before)",
		      file);
	}
	if (before[0] == ',')
		fputc('\n', file);
}

/* --- foot --- */

static void print_warnings(FILE *file, const json_t *explain)
{
	const json_t *warnings = json_object_get(explain, "warnings");
	const json_t *warning;
	size_t i;

	json_array_foreach (warnings, i, warning) {
		fputs(" ├ warning: ", file);
		print_line(file, warning, "text");
		fputs("  ", file);
		print_member(file, warning, "line");
		fputc('\n', file);
	}
}

static void print_foot(FILE *file, const json_t *line, const json_t *explain)
{
	const json_t *unknown = json_object_get(line, "unknown");
	struct span decided_by = member(explain, "decided_by");
	struct span observed = member(explain, "observed");

	fputs(" └ decided by ", file);
	ctl_print(file, decided_by.len > 0 ? decided_by : SPAN("the end of the policy"));
	if (observed.len > 0) {
		fputs("; only observed: ", file);
		ctl_print(file, observed);
	}
	fputs("\n reply: ", file);
	print_line(file, line, "reply");
	fputc('\n', file);
	if (json_array_size(unknown) > 0) {
		fputs(" unknown: ", file);
		print_items(file, unknown);
		fputc('\n', file);
	}
}

static void print_tree(FILE *file, const json_t *line, const json_t *explain)
{
	const json_t *weighs = json_object_get(explain, "weigh");
	const json_t *weigh;
	size_t i;

	print_head(file, line, explain);
	print_attempt(file, json_object_get(line, "attempt"));
	json_array_foreach (weighs, i, weigh) {
		if (!is_asked(weigh))
			continue;
		print_findings(file, weigh);
		print_unknown(file, weigh);
		print_facts(file, explain, i);
	}
	print_not_asked(file, weighs);
	print_warnings(file, explain);
	print_foot(file, line, explain);
}

bool explain_print(FILE *file, struct span line)
{
	json_t *root = json_loadb(line.at, line.len, JSON_ALLOW_NUL, NULL);
	const json_t *explain = json_object_get(root, "explain");
	bool is_explained = json_is_object(explain);

	if (is_explained)
		print_tree(file, root, explain);
	json_decref(root);
	return is_explained;
}
