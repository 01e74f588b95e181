/* verdicts.c -- pass, reject, defer, ...: as statements, and behind "else" and "failing". */
#include "policy/body.h"

#include "base/ensure.h"

enum { NO_TEXT, MAY_HAVE_TEXT, MUST_HAVE_TEXT };

static const struct verdict_word {
	const char *keyword;
	enum verdict_kind verdict;
	int text;
	const char *wanted;
} verdicts[] = {
	{ "pass", VERDICT_PASS, MAY_HAVE_TEXT, "" },
	{ "permit", VERDICT_PERMIT, MAY_HAVE_TEXT, "" },
	{ "reject", VERDICT_REJECT, MAY_HAVE_TEXT, "" },
	{ "defer", VERDICT_DEFER, MAY_HAVE_TEXT, "" },
	{ "hold", VERDICT_HOLD, MAY_HAVE_TEXT, "" },
	{ "discard", VERDICT_DISCARD, MAY_HAVE_TEXT, "" },
	{ "filter", VERDICT_FILTER, MUST_HAVE_TEXT, "\"transport:destination\"" },
	{ "redirect", VERDICT_REDIRECT, MUST_HAVE_TEXT, "\"user@example.org\"" },
	{ "reply", VERDICT_REPLY, MUST_HAVE_TEXT, "\"an action of access(5)\"" },
};

enum { VERDICTS = sizeof(verdicts) / sizeof(*verdicts) };

static const struct verdict_word *verdict_find(struct span keyword)
{
	for (size_t i = 0; i < VERDICTS; i++)
		if (span_equal(keyword, span_cstr(verdicts[i].keyword)))
			return &verdicts[i];
	return NULL;
}

bool verdict_is_known(struct span keyword)
{
	return verdict_find(keyword) != NULL;
}

void verdicts_guess(struct guess *guess)
{
	for (size_t i = 0; i < VERDICTS; i++)
		guess_offer(guess, span_cstr(verdicts[i].keyword));
}

/* "5.7.1" and "550" are for good, "4.7.1" and "450" for now; they should say what the verdict
 * says.  A whole code of the other kind is taken at its word, so that one must be meant. */
void verdict_check_code(struct body *body, enum verdict_kind verdict, const struct template *text,
			struct place place)
{
	struct span literal = text_literal(text);
	bool is_enhanced = literal.len > 2 && literal.at[1] == '.' && ascii_is_digit(literal.at[2]);

	if (!is_enhanced)
		return;
	if (verdict == VERDICT_REJECT && literal.at[0] == '4') {
		report_warning(body_report(body), place,
			       "reject answers 550, and 4.x.x says later");
		report_hint(body_report(body), "write 5.x.x, or defer");
	}
	if (verdict == VERDICT_DEFER && literal.at[0] == '5') {
		report_warning(body_report(body), place, "defer answers 450, and 5.x.x says never");
		report_hint(body_report(body), "write 4.x.x, or reject");
	}
	if (verdict == VERDICT_GREYLIST && literal.at[0] == '5') {
		report_warning(body_report(body), place,
			       "greylist answers 450, and 5.x.x says never");
		report_hint(body_report(body), "write 4.x.x");
	}
}

static bool verdict_text_parse(struct body *body, const struct verdict_word *word,
			       struct template *text)
{
	struct token token;

	if (parser_peek(&body->parser, LEX_WORD)->kind != TOKEN_STRING) {
		if (word->text == MUST_HAVE_TEXT)
			parser_report_unexpected(&body->parser, word->wanted);
		return word->text != MUST_HAVE_TEXT;
	}
	token = parser_take(&body->parser, LEX_WORD);
	if (token.text.len == 0) {
		report_error(body_report(body), token.place, "the text is empty");
		return false;
	}
	if (!text_parse(body, &token, text) || !text_fits(body, text, REPLY_TEXT_MAX, token.place))
		return false;
	verdict_check_code(body, word->verdict, text, token.place);
	return true;
}

static void warn_of_permit(struct body *body, enum verdict_kind verdict, struct place place)
{
	if (verdict != VERDICT_PERMIT)
		return;
	report_warning(body_report(body), place,
		       "permit skips all later restrictions of the MTA: "
		       "before reject_unauth_destination it makes an open relay");
	report_hint(body_report(body), "pass lets the MTA go on asking");
}

bool verdict_parse(struct body *body, const struct token *keyword, struct statement *statement)
{
	const struct verdict_word *word = verdict_find(keyword->text);

	ENSURE(word != NULL); /* verdict_is_known() was asked */
	statement->kind = STATEMENT_VERDICT;
	statement->verdict = word->verdict;
	if (!verdict_text_parse(body, word, &statement->text) || !if_parse(body, statement))
		return false;
	warn_of_permit(body, word->verdict, keyword->place);
	if (statement->condition == NULL && !statement->observe && body->end.source == NULL)
		body->end = keyword->place;
	return true;
}

bool verdict_parse_behind(struct body *body, const char *behind, bool pass_is_bare,
			  enum verdict_kind *verdict_out, struct template *text_out)
{
	const struct token *next = parser_peek(&body->parser, LEX_WORD);
	const struct verdict_word *word =
		next->kind == TOKEN_WORD ? verdict_find(next->text) : NULL;
	struct guess guess = guess_of(next->text);
	TEXT(wanted, 64);

	if (word == NULL) {
		text_addf(&wanted, "a verdict behind '%s'", behind);
		parser_report_unexpected(&body->parser, text_cstr(&wanted));
		verdicts_guess(&guess);
		report_guess(body_report(body), &guess);
		return false;
	}
	warn_of_permit(body, word->verdict, parser_take(&body->parser, LEX_WORD).place);
	*verdict_out = word->verdict;
	return (word->verdict == VERDICT_PASS && pass_is_bare) ||
	       verdict_text_parse(body, word, text_out);
}
