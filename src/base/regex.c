/* regex.c -- PCRE2 behind three functions. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>
#include <stdlib.h>

struct regex {
	pcre2_code *code;
	pcre2_match_context *limits;
};

static void describe_fault(int error, PCRE2_SIZE offset, struct regex_fault *fault)
{
	fault->offset = offset;
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)fault->why, sizeof(fault->why)) < 0)
		fault->why[0] = '\0';
}

enum err regex_compile(struct span pattern, bool ignore_case, struct regex **regex_out,
		       struct regex_fault *fault_out)
{
	struct regex *regex;
	int error = 0;
	PCRE2_SIZE offset = 0;
	uint32_t options =
		PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | (ignore_case ? PCRE2_CASELESS : 0);

	if (pattern.len > REGEX_BYTES_MAX)
		return ERR_LIMIT;
	regex = calloc(1, sizeof(*regex));
	if (regex == NULL)
		return ERR_SYSTEM;
	regex->limits = pcre2_match_context_create(NULL);
	regex->code = pcre2_compile((PCRE2_SPTR)(pattern.len > 0 ? pattern.at : ""), pattern.len,
				    options, &error, &offset, NULL);
	if (regex->code == NULL || regex->limits == NULL) {
		describe_fault(error, offset, fault_out);
		regex_free(regex);
		return ERR_SYNTAX;
	}
	pcre2_set_match_limit(regex->limits, REGEX_MATCH_LIMIT);
	/* Without JIT it only runs slower. */
	(void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
	*regex_out = regex;
	return OK;
}

enum err regex_match(const struct regex *regex, struct span subject, bool *matches_out)
{
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	int result;

	if (match == NULL)
		return ERR_SYSTEM;
	result = pcre2_match(regex->code, (PCRE2_SPTR)(subject.len > 0 ? subject.at : ""),
			     subject.len, 0, 0, match, regex->limits);
	pcre2_match_data_free(match);
	if (result < 0 && result != PCRE2_ERROR_NOMATCH)
		return ERR_LIMIT;
	/* 0: it matches, and its groups do not fit into the one pair that nobody reads. */
	*matches_out = result >= 0;
	return OK;
}

bool regex_matches(const struct regex *regex, struct span subject)
{
	bool matches;

	return regex_match(regex, subject, &matches) == OK && matches;
}

void regex_free(struct regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_code_free(regex->code);
	pcre2_match_context_free(regex->limits);
	free(regex);
}
